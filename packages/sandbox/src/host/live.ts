import { SandboxError } from '../error.ts'
import type { Sandbox } from '../port.ts'
import type { ResolvedSpec } from '../spec.ts'

/** The sandboxes of this process: no two of one id, no two in one workspace. */
export interface Live {
  /** Holds id and workspace from before the start until the end. Rejects with SandboxError where one is taken. */
  hold(spec: ResolvedSpec, start: () => Promise<Sandbox>): Promise<Sandbox>
  /** From now on it is in that workspace. Throws SandboxError where another sandbox is. */
  move(id: string, workspace: string): void
}

export function createLive(): Live {
  const live = new Map<string, string>()
  const refuseTaken = (workspace: string) => {
    for (const [other, taken] of live) {
      // The second would take the files away from the first, in the middle of its work.
      if (taken === workspace) throw new SandboxError(`${workspace} is in use by ${other}`, 'wait for its end')
    }
  }
  return {
    move(id, workspace) {
      refuseTaken(workspace)
      live.set(id, workspace)
    },
    async hold({ id, workspace }, start) {
      if (live.has(id)) throw new SandboxError(`the sandbox ${id} already runs`, 'choose another id')
      refuseTaken(workspace)
      live.set(id, workspace)
      try {
        const sandbox = await start()
        void sandbox.exited.then(() => live.delete(id))
        return sandbox
      } catch (error) {
        live.delete(id)
        throw error
      }
    },
  }
}
