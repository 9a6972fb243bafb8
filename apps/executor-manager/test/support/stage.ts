/** Everything around one manager: a fake backend, the scripted model, a real object store, a real sandbox. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createScriptedModel, type ScriptedModel } from '@tutti/agents/scripted'
import { defaultPullSchedule } from '@tutti/config'
import { createLocalObjects, type LocalObjects } from '@tutti/objects'
import { checkAnswers } from '@tutti/openapi/testing'
import { createBubblewrapDriver, type SandboxDriver } from '@tutti/sandbox'
import { ownUsers } from '@tutti/sandbox/rig'
import { type Logger, silentLogger } from '@tutti/telemetry'
import type { FastifyInstance } from 'fastify'
import { createManager, type Manager } from '../../src/app.ts'
import { createBackendClient } from '../../src/backend/client.ts'
import type { ManagerDeps, UsedConfig } from '../../src/deps.ts'
import type { ManagerSettings } from '../../src/settings.ts'
import { createFakeBackend, type FakeBackend, type FakeRun } from './fake-backend.ts'
import { oneProvider } from './one-provider.ts'

export const providerKey = 'provider-key-that-must-stay-outside'
export const model = 'claude-sonnet-4-5'

export interface Stage {
  root: string
  backend: FakeBackend
  scripted: ScriptedModel
  objects: LocalObjects
  driver: SandboxDriver
  config: UsedConfig
  /** A manager with these parts replaced, started. */
  start(parts?: Partial<ManagerDeps>, settings?: Partial<ManagerSettings>): Promise<Manager>
  workspaceOf(run: FakeRun): string
  /** The first finish of a run. */
  finished(run: FakeRun): Promise<FakeRun['finished'][number]>
  /** The content of an object. */
  read(key: string): Promise<string>
  /** @throws Error when an answer of a manager was not as its OpenAPI document says */
  close(): Promise<void>
}

export const createStage = async (more: Partial<UsedConfig> = {}): Promise<Stage> => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'tutti-em-')))
  const backend = await createFakeBackend()
  const scripted = await createScriptedModel({ key: providerKey })
  const objects = createLocalObjects({ root: join(root, 'objects'), publicUrl: 'http://x', secret: 'secret of tests' })
  const driver = createBubblewrapDriver({ stateDir: join(root, 'state'), users: ownUsers(20) })
  const config: UsedConfig = {
    ...{ rateLimitWaitSeconds: 30, egressAllowedHosts: [], egressGrantableHosts: [] },
    internalApiToken: 'token-of-the-manager',
    ...{ managerHost: '127.0.0.1', managerPort: 0, maxConcurrentTasks: 2, runTimeoutSeconds: 60 },
    ...{ sandboxDiskMb: 512, sandboxMemoryMb: 1024, sandboxProcesses: 128, stagingRoots: [join(root, 'folders')] },
    ...{ taskClaimLeaseSeconds: 60, taskPullEnabled: true, taskPullIntervalSeconds: 0.01, workerId: 'test-host' },
    executorFiles: 'host',
    ...{ callbackBaseUrl: 'http://host.docker.internal:8001', sandboxDockerNetwork: 'none' },
    // A test that is about it turns it on.
    ...{ sandboxKeepSeconds: 0, sandboxKeep: 5, sandboxKeepMemoryMb: 1024, sandboxPool: 0 },
    ...{ workspaceIgnoreDotFiles: true, workspaceRoot: join(root, 'w') },
    ...{ workspaceCacheMb: 100, workspaceGitIgnore: [], gitPrivateHosts: false },
    ...{ workspaceCleanupEnabled: false, workspaceCleanupIntervalHours: 24, workspaceMaxAgeHours: 24 },
    ...{ workspaceArchiveEnabled: true, workspaceArchiveDays: 7 },
    ...more,
  }
  mkdirSync(join(root, 'folders'))
  const managers: Manager[] = []
  const answers = watchAnswers()
  return {
    ...{ root, backend, scripted, objects, driver, config },
    start: async (parts = {}, settings = {}) => {
      const manager = createManager(
        {
          ...{ config, schedule: defaultPullSchedule(0.01), driver, objects, log: testLog() },
          model: oneProvider({ baseUrl: scripted.url, key: providerKey, name: model, allowedModels: ['claude-*'] }),
          backend: createBackendClient({ baseUrl: backend.url, internalToken: backend.token, leaseSeconds: 60 }),
          ...parts,
        },
        { renewEveryMs: 50, exportPauseMs: 1, ...settings },
      )
      managers.push(manager)
      await manager.start()
      return manager
    },
    workspaceOf: ({ claimed }) =>
      join(config.workspaceRoot, 'active', claimed.user_id, claimed.session_id, 'workspace'),
    finished: (run) => backend.until(() => run.finished[0]),
    read: async (key) => {
      const { stream } = await objects.get(key)
      return (await stream.toArray()).join('')
    },
    close: async () => {
      await Promise.all(managers.map((manager) => manager.stop({ drainMs: 0 })))
      await Promise.all([backend.close(), scripted.close()])
      rmSync(root, { recursive: true, force: true })
      const faults = answers.stop()
      if (faults.length > 0) throw new Error(`answers that the OpenAPI document does not know:\n${faults.join('\n')}`)
    },
  }
}

/** Of every server of this process: a manager shows nobody its own. */
const watchAnswers = (): { stop(): string[] } => {
  const looks: (() => string[])[] = []
  const watch = (made: unknown): void => {
    looks.push(checkAnswers((made as { fastify: FastifyInstance }).fastify))
  }
  subscribe('fastify.initialization', watch)
  return {
    stop: () => {
      unsubscribe('fastify.initialization', watch)
      return looks.flatMap((look) => look())
    },
  }
}

/** Silent, unless somebody looks for a fault. */
const testLog = (): Logger => {
  if (!process.env.TUTTI_TEST_LOG) return silentLogger
  const line =
    (bound: object) =>
    (...said: unknown[]): void =>
      console.log(JSON.stringify(bound), ...said)
  const make = (bound: object): Logger => ({
    ...{ debug: line(bound), info: line(bound), warn: line(bound), error: line(bound) },
    child: (more) => make({ ...bound, ...more }),
  })
  return make({})
}

/** A prompt that says what the model does. */
export const script = (steps: object[]): string => `\`\`\`scripted\n${JSON.stringify(steps)}\n\`\`\``
export const bash = (command: string): object => ({ tool: 'Bash', input: { command } })
