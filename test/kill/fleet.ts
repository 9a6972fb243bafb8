/** The demo's whole cast as real processes: three servers, two workers, and sandboxes as they come. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '@tutti/telemetry'
import { startWorkerProcess, type WorkerProcess } from '../../apps/cli/src/demo/workers.ts'
import { repositoryRoot } from '../../apps/cli/src/repository.ts'
import { type Stack, startStack } from '../../apps/cli/src/stack/stack.ts'
import { descendants, killNow } from './processes.ts'

export type Victim = 'orchestrator' | 'backend' | 'executor-manager' | 'executor' | 'worker-1'

export interface Fleet {
  stack: Stack
  /** Ends the process without a chance to say good-bye. @returns false when there was nobody to kill */
  kill(victim: Victim): Promise<boolean>
  stop(): Promise<void>
}

const example = join(repositoryRoot, 'examples', 'folder-report')

/** @param folder the only folder that workers read and agents get */
export const startFleet = async (folder: string): Promise<Fleet> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'tutti-kill-'))
  const { ANTHROPIC_API_KEY: _key, ANTHROPIC_AUTH_TOKEN: _token, ...inherited } = process.env
  const env = {
    ...inherited,
    LOG_LEVEL: 'ERROR',
    // Short leases, so that what a dead process held is handed out again soon.
    WORKER_HEALTH_CHECK_INTERVAL_SECONDS: '1.5',
    TASK_CLAIM_LEASE_SECONDS: '5',
    WATCHER_INTERVAL_SECONDS: '1',
  }
  const stack = await startStack({
    dataDir,
    host: '127.0.0.1',
    ports: { api: 0, backend: 0, manager: 0 },
    split: true,
    storage: 'postgres',
    sandbox: 'bubblewrap',
    blueprintsDir: join(example, 'blueprints'),
    stagingRoots: [folder],
    env,
    log: silentLogger,
  })
  const workers: WorkerProcess[] = ['worker-1', 'worker-2'].map((id) =>
    startWorkerProcess({
      id,
      file: join(example, 'worker.ts'),
      env: { ...env, ORCHESTRATOR_URL: stack.apiUrl, WORKER_TOKEN: stack.secrets.workerToken, FOLDER_ROOTS: folder },
      onDeath: (error) => {
        throw error
      },
    }),
  )
  const server = (name: string): number => stack.servers.find((each) => each.name === name)?.pid() ?? 0
  const find = async (victim: Victim): Promise<number[]> => {
    if (victim === 'executor') return descendants(server('executor-manager'), 'apps/executor/src/main.ts')
    if (victim === 'worker-1') return [workers[0]?.pid() ?? 0]
    return [server(victim)]
  }
  return {
    stack,
    kill: async (victim) => {
      const killed = (await find(victim)).map(killNow)
      return killed.includes(true)
    },
    stop: async () => {
      await Promise.all(workers.map((worker) => worker.stop()))
      await stack.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
