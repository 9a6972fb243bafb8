import { randomBytes } from 'node:crypto'
import { executorEnvironment } from '@tutti/contracts'
import { DEFAULT_LIMITS, type SandboxLimits, type SandboxSpec, WORKSPACE } from '@tutti/sandbox'
import type { UsedConfig } from '../deps.ts'
import type { ExecutorFiles } from './executor-files.ts'
import type { CompileCache } from './warm-up.ts'
import type { WayOut } from './way-out.ts'

export interface SpecInput {
  executor: ExecutorFiles
  config: Pick<UsedConfig, 'sandboxDiskMb' | 'sandboxMemoryMb' | 'sandboxProcesses' | 'workspaceGitIgnore'>
  /** One that is started ahead learns later whose it is. */
  order: { workspace: string } & ({ ahead: true } | { ahead: false; sessionId: string; runId: string })
  wayOut: Pick<WayOut, 'address' | 'socketDir'>
  /** Where it was made; without it a turn begins later. */
  compileCache: CompileCache | undefined
  /** The relay token, or `@` and the path inside of a file that holds it. */
  token: string
}

/** Everything that one sandbox is given. Nothing else exists inside, and nothing of it is a provider's key. */
export const sandboxSpec = (input: SpecInput): SandboxSpec => {
  const { executor, order, compileCache } = input
  const { TUTTI_AHEAD, ...environment } = executorEnvironment.parse({
    TUTTI_RELAY: input.wayOut.address,
    TUTTI_RELAY_TOKEN: input.token,
    TUTTI_CLAUDE_EXECUTABLE: executor.claude,
    WORKSPACE_PATH: WORKSPACE,
    ...(order.ahead ? { TUTTI_AHEAD: '1' } : {}),
  })
  return {
    id: `${order.ahead ? 'ahead' : `s-${order.sessionId}`}-${randomBytes(4).toString('hex')}`,
    workspace: order.workspace,
    ahead: order.ahead,
    command: executor.command,
    env: {
      PATH: executor.path,
      // What a run changes is shown without what nobody wants to see.
      WORKSPACE_GIT_IGNORE: input.config.workspaceGitIgnore.join('\n'),
      ...compileCache?.env,
      ...environment,
      ...(TUTTI_AHEAD === undefined ? {} : { TUTTI_AHEAD }),
    },
    readOnly: [...executor.mounts, ...(compileCache === undefined ? [] : [compileCache.mount])],
    ...(input.wayOut.socketDir === undefined ? {} : { socketDir: input.wayOut.socketDir }),
    limits: limitsOf(input.config),
    ...(order.ahead ? {} : { labels: labelsOf(order) }),
  }
}

/** Whose sandbox it is, for people who look at the host. */
export const labelsOf = ({ sessionId, runId }: { sessionId: string; runId: string }): Record<string, string> => ({
  ...{ session_id: sessionId, run_id: runId },
})

const mebibyte = 1024 * 1024

export const limitsOf = (config: SpecInput['config']): SandboxLimits => ({
  ...DEFAULT_LIMITS,
  memoryBytes: config.sandboxMemoryMb * mebibyte,
  processes: config.sandboxProcesses,
  diskBytes: config.sandboxDiskMb * mebibyte,
})
