import { SandboxError } from '../error.ts'
import type { Sandbox } from '../port.ts'
import type { ResolvedSpec } from '../spec.ts'

/** The sandboxes of this process: no two of one id, no two in one workspace. */
export interface Live {
  /** Holds id and workspace from before the start until the end. Rejects with SandboxError where one is taken. */
  hold(spec: ResolvedSpec, start: () => Promise<Sandbox>): Promise<Sandbox>
}

export function createLive(): Live {
  const live = new Map<string, string>()
  return {
    async hold({ id, workspace }, start) {
      if (live.has(id)) throw new SandboxError(`the sandbox ${id} already runs`, 'choose another id')
      for (const [other, taken] of live) {
        // The second would take the files away from the first, in the middle of its work.
        if (taken === workspace) throw new SandboxError(`${workspace} is in use by ${other}`, 'wait for its end')
      }
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
