/** Bounds how many tasks of one skill run at a time; the others wait their turn, in order. */
export interface SkillLimits {
  /** Resolves with the function that leaves again; rejects with the signal's reason when aborted before its turn. */
  enter(skill: string, signal: AbortSignal): Promise<() => void>
}

interface Room {
  left: number
  queue: (() => void)[]
}

export const createSkillLimits = (perSkill: Record<string, number>): SkillLimits => {
  const rooms = new Map<string, Room>(Object.entries(perSkill).map(([name, left]) => [name, { left, queue: [] }]))

  const turn = (room: Room, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener('abort', give)
        room.left -= 1
        resolve()
      }
      const give = () => {
        room.queue.splice(room.queue.indexOf(enter), 1)
        reject(signal.reason)
      }
      signal.addEventListener('abort', give, { once: true })
      room.queue.push(enter)
    })

  return {
    enter: async (skill, signal) => {
      signal.throwIfAborted()
      const room = rooms.get(skill)
      if (room === undefined) return () => {}
      if (room.left > 0) room.left -= 1
      else await turn(room, signal)
      return () => {
        room.left += 1
        room.queue.shift()?.()
      }
    },
  }
}
