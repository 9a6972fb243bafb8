/** Instants inside what the played agent says, so that a reader knows when each piece was said. The clock is the machine's. */
let last = 0

export const stamp = (): string => {
  last += 1
  return `@${process.pid}.${last}:${(performance.timeOrigin + performance.now()).toFixed(3)}@`
}

const pattern = /@(\d+\.\d+):([\d.]+)@/g

/** The pieces in a frame: what names each, and when it was said, in milliseconds since the epoch. */
export const stampsIn = (text: string): { id: string; at: number }[] =>
  [...text.matchAll(pattern)].map(([, id = '', at]) => ({ id, at: Number(at) }))
