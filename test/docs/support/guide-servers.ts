import { join } from 'node:path'
import { startOrchestrator } from '@tutti/orchestrator'
import { freePort } from '@tutti/stores/testing'
import { onTestFinished } from 'vitest'
import { freshDatabase, scratch } from '../../../apps/cli/test/support/scratch.ts'

const clientToken = 'client-token-of-the-guides-0123456789'
const workerToken = 'worker-token-of-the-guides-0123456789'

export interface Surroundings {
  env: NodeJS.ProcessEnv
  /** The text of a guide with the addresses that stand for those it names. */
  asHere: (text: string) => string
}

export const orchestratorAlone = async (folder: string): Promise<Surroundings> => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const server = await startOrchestrator({
    STORAGE: 'memory',
    API_HOST: '127.0.0.1',
    API_PORT: String(port),
    CLIENT_TOKEN: clientToken,
    GLOBAL_WORKER_TOKEN: workerToken,
    BLUEPRINTS_DIR: join(folder, 'blueprints'),
    TASK_FILES_DIR: join(folder, 'files'),
    // Receivers of the examples listen on this machine.
    WEBHOOK_ALLOW_PRIVATE: 'true',
    PUBLIC_URL: url,
    LOG_LEVEL: 'ERROR',
  })
  onTestFinished(server.stop)
  return { env: { ...clientEnvironment(url), LOG_LEVEL: 'ERROR' }, asHere: (text) => text }
}

/** The ports and the database that a guide names may be somebody's: it gets others that are free. */
export const serversOfItsOwn = async (): Promise<Surroundings> => {
  const named = [8080, 8000, 8001, 6379, 8010, 8011, 8020] as const
  const free = await Promise.all(named.map(async (port) => [port, await freePort()] as const))
  const ports = Object.fromEntries(free) as Record<(typeof named)[number], number>
  const database = await freshDatabase()
  return {
    env: {
      ...clientEnvironment(`http://127.0.0.1:${ports[8080]}`),
      TUTTI_BACKEND_URL: `http://127.0.0.1:${ports[8000]}`,
      API_PORT: String(ports[8080]),
      PORT: String(ports[8000]),
      MANAGER_PORT: String(ports[8001]),
      CLIENT_TOKEN: clientToken,
      GLOBAL_WORKER_TOKEN: workerToken,
      // Not below the repository: the account of the database may not be let in there.
      TUTTI_DATA_DIR: join(await scratch(), 'data'),
      WEBHOOK_ALLOW_PRIVATE: 'true',
    },
    asHere: (text) =>
      text
        .replaceAll('postgresql://user:password@db:5432/tutti', database)
        .replaceAll(new RegExp(`(?<![\\w.-])(?:${named.join('|')})\\b`, 'g'), (port) =>
          String(ports[Number(port) as keyof typeof ports]),
        ),
  }
}

const clientEnvironment = (url: string): NodeJS.ProcessEnv => ({
  ...process.env,
  TUTTI_API_URL: url,
  TUTTI_CLIENT_TOKEN: clientToken,
  ORCHESTRATOR_URL: url,
  WORKER_TOKEN: workerToken,
  NO_COLOR: '1',
})
