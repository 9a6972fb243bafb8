/** Real servers of the workbench in this process: the backends of two users over one database, and an executor manager. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startBackend } from '@tutti/backend'
import { startManager } from '@tutti/executor-manager'
import { testDatabase } from '@tutti/stores/testing'

export const internalToken = 'internal-token-of-tests'
export const tokens = { alice: 'client-token-of-alice', bob: 'client-token-of-bob' }

export interface Servers {
  /** Whose user is alice. */
  own: string
  /** Whose user is bob. */
  other: string
  manager: string
  objectsRoot: string
  workspaceRoot: string
  connectionString: string
  close(): Promise<void>
}

export const startServers = async (): Promise<Servers> => {
  const database = await testDatabase()
  const root = await mkdtemp(join(tmpdir(), 'tutti-endpoints-'))
  const objectsRoot = join(root, 'objects')
  const workspaceRoot = join(root, 'workspaces')
  const shared = { INTERNAL_API_TOKEN: internalToken, OBJECTS_DIR: objectsRoot, LOG_LEVEL: 'ERROR' }
  const backend = (user: keyof typeof tokens) =>
    startBackend({
      ...shared,
      // On all addresses: there nobody is let in for being on the same machine.
      ...{
        HOST: '0.0.0.0',
        PORT: '0',
        DATABASE_URL: database.connectionString,
        SECRET_KEY: 'key-of-tests-'.repeat(3),
        BACKEND_PUBLIC_URL: 'http://tutti.invalid',
      },
      ...{ SINGLE_USER_ID: user, CLIENT_TOKEN: tokens[user] },
    })
  const own = await backend('alice')
  const other = await backend('bob')
  const manager = await startManager({
    ...shared,
    ...{ TUTTI_ENV: 'development', SANDBOX: 'none', SANDBOX_POOL: '0', WORKSPACE_ROOT: workspaceRoot },
    ...{ TASK_PULL_ENABLED: 'false', MANAGER_HOST: '127.0.0.1', MANAGER_PORT: '0' },
    BACKEND_URL: `http://127.0.0.1:${own.port}`,
  })
  return {
    ...{ own: `http://127.0.0.1:${own.port}`, other: `http://127.0.0.1:${other.port}` },
    ...{
      manager: `http://127.0.0.1:${manager.port}`,
      objectsRoot,
      workspaceRoot,
      connectionString: database.connectionString,
    },
    close: async () => {
      await Promise.all([manager.stop(), own.stop(), other.stop()])
      await database.drop()
      await rm(root, { recursive: true, force: true })
    },
  }
}
