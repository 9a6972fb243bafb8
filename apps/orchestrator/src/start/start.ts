/** From the environment to a running orchestrator. What is opened here is closed in the opposite order. */
import {
  type Client,
  ConfigError,
  checkSchedules,
  clientDirectory,
  createReloader,
  type Environment,
  engineSettings,
  formatFaults,
  logSettings,
  type OrchestratorConfig,
  type Reloader,
  type ScheduleEntry,
  workerDirectory,
} from '@tutti/config'
import { type JsonObject, TuttiError } from '@tutti/contracts'
import {
  type Blueprint,
  BlueprintError,
  createEngine,
  createScheduler,
  type JobSpec,
  type Store,
  webhookKind,
} from '@tutti/engine'
import { startArchiver } from '@tutti/history'
import { ObjectStoreError } from '@tutti/objects'
import { isStoreAway, offloading, openStore } from '@tutti/stores'
import {
  createLogger,
  createMetrics,
  createOutage,
  createStartWait,
  type Logger,
  logStatements,
  noTracing,
  type Outage,
  parseTraceparent,
  startTracing,
  type WatchedPool,
} from '@tutti/telemetry'
import { createOrchestrator } from '../app.ts'
import { createApprovalLinks } from '../approvals/link.ts'
import { withApprovalLinks } from '../approvals/webhook.ts'
import { quotaOf } from '../http/quota.ts'
import { observeLog } from '../observe/log.ts'
import { observeMetrics } from '../observe/metrics.ts'
import { observeTraces } from '../observe/traces.ts'
import { createWebhookSecrets } from '../webhooks/secrets.ts'
import { createWebhookSender } from '../webhooks/sender.ts'
import { createClosers } from './closers.ts'
import { archivedBefore, openArchive, purgeArchive } from './open-archive.ts'
import { openObjects } from './open-objects.ts'
import { blueprintFaults, readConfiguration } from './read-configuration.ts'
import { followRegisteredBlueprints } from './registered-blueprints.ts'
import { serverSettings } from './server-settings.ts'
import { signingKey } from './signing-key.ts'
import { unusable } from './unusable.ts'
import { every } from './upkeep.ts'
import { watchBlueprints } from './watch-blueprints.ts'

export interface RunningOrchestrator {
  port: number
  log: Logger
  /** Reads all files of the configuration again; what is wrong with one is logged, and changes nothing. */
  reload(): Promise<void>
  /** Answers what is under way, lets handlers finish, and lets go of the store. */
  stop(): Promise<void>
}

/** What is brought along where several servers run in one process. */
export interface SharedParts {
  /** Used instead of the one that the environment asks for, and not closed. */
  store?: Store
  /** Whether a start waits for a store or a bucket that is away, as START_WAIT_SECONDS says: a person who starts it is told at once. */
  waits?: boolean
  /** Beside those of BLUEPRINTS_DIR. */
  blueprints?: readonly Blueprint[]
}

/** What another attempt may cure, after nobody has changed anything here. */
const isAway = (error: unknown): boolean => (error instanceof ObjectStoreError ? error.retryable : isStoreAway(error))

/**
 * A refusal of PostgreSQL or Redis: it has its cause. Object storage is away by itself (and a full disk of it has none), and a lost
 * connection alone refuses nobody.
 */
const isRefused = (error: unknown): boolean =>
  error instanceof TuttiError &&
  error.code === 'STORE_UNAVAILABLE' &&
  error.cause !== undefined &&
  !(error.cause instanceof ObjectStoreError)

const oneDay = 86_400_000
const oneHour = 3_600_000

/** @throws ConfigError with every fault of variables, files and blueprints; nothing was started then */
export const startOrchestrator = async (env: Environment, shared: SharedParts = {}): Promise<RunningOrchestrator> => {
  const brought = shared.blueprints ?? []
  const { config, storage, history, s3, tls, clients, workers, schedules, warnings, found } = await readConfiguration(
    env,
    { ownStore: shared.store === undefined, blueprints: brought },
  )
  let probe: () => Promise<unknown> = async () => undefined
  const outage = createOutage({
    ...{ part: 'the store', isAway: isRefused, probe: () => probe() },
    log: createLogger({ name: 'orchestrator', ...logSettings(config) }),
  })
  const { log } = outage
  for (const { source, line, what, remedy } of warnings)
    log.warn({ source, ...(line === undefined ? {} : { line }) }, `${what}. ${remedy}`)

  const closers = createClosers()
  const wait = createStartWait({
    ...{ service: 'tutti-orchestrator', host: config.apiHost, port: config.apiPort, isAway, log },
    seconds: shared.waits === true ? config.startWaitSeconds : 0,
  })
  closers.add(outage.stop)
  closers.add(wait.end)
  try {
    const inner =
      shared.store ??
      (storage &&
        (await wait.until(storage.kind === 'redis' ? 'Redis' : 'PostgreSQL', () =>
          openStore(storage, { instance: config.instanceId, ...loggedBy(outage), ...statementWatch(config, log) }),
        )))
    if (!inner) throw new Error('the configuration chose no store')
    if (!shared.store) closers.add(inner.close)
    probe = () => inner.worker('probe')

    const key = await signingKey(config.signingKey, inner)
    const { payloads, files, taskFiles, ...objects } = await openObjects({
      s3,
      dir: config.taskFilesDir,
      publicUrl: config.publicUrl,
      signingKey: key,
      autoCleanup: config.s3AutoCleanup,
      sharedPrefixes: [...config.s3SharedPrefixes],
      wait,
      onOperation: ({ jobId, operation, uri, bytes, error }) =>
        log.debug({ job_id: jobId, operation, uri, bytes, ...(error === null ? {} : { error }) }, 's3_operation'),
    })
    closers.add(objects.close)
    const onError = (error: unknown): void => log.error({ err: error }, 'the engine met an error, and goes on')
    // With 0 nothing leaves any more, and what has left before still comes back.
    const store = payloads
      ? offloading(inner, { payloads, thresholdBytes: config.payloadOffloadBytes || Number.POSITIVE_INFINITY, onError })
      : { ...inner, sweep: async () => 0 }

    const metrics = createMetrics({ onError: (error) => log.warn({ err: error }, 'a metric could not be read') })
    const tracing =
      config.otelExporterOtlpEndpoint === ''
        ? noTracing
        : await startTracing({
            endpoint: config.otelExporterOtlpEndpoint,
            serviceName: 'tutti-orchestrator',
            instance: config.instanceId,
          })
    closers.add(tracing.stop)
    const archive = history && (await openArchive(history, log))
    if (archive) {
      closers.add(archive.close)
      // Stopped after the engine: what that commits last is archived, too.
      closers.add(startArchiver({ store, archive, onError }).stop)
    }

    const observers: Parameters<typeof createEngine>[0]['onCommitted'][] = []
    const engine = createEngine({
      store,
      blueprints: brought,
      settings: {
        ...engineSettings(config),
        retentionMs: config.jobRetentionDays === 0 ? null : config.jobRetentionDays * oneDay,
      },
      files: taskFiles,
      onError,
      onCommitted: (change) => {
        for (const observe of observers) observe?.(change)
      },
      ...(archive ? { purgeBefore: () => archivedBefore(store, archive) } : {}),
    })
    closers.add(engine.stop)
    observers.push(observeMetrics({ metrics, store, engine }), observeTraces(tracing), observeLog(log))
    engine.blueprints.replace('dir', found)
    const registered = await followRegisteredBlueprints({ store, blueprints: engine.blueprints, log })
    closers.add(registered.stop)
    // Only now is it known which blueprints there are: those that were registered are in the store.
    const faults = schedules ? checkSchedules(schedules, { blueprints: new Set(engine.blueprints.names()) }) : []
    if (faults.length > 0) throw new ConfigError(faults)

    const directories = {
      clients: clientDirectory({ clients, fallbackToken: config.clientToken }),
      workers: workerDirectory({
        workers,
        globalToken: config.globalWorkerToken,
        keepSecrets: config.workerSignatures !== 'off',
      }),
    }
    const settings = serverSettings(config)
    const scheduler = createScheduler({
      engine,
      store,
      timeZone: config.tz,
      jobDefaults: (owner, name) => scheduledJob(name, directories.clients.client(owner), { store, settings }),
      onError: (error) => log.warn({ err: error }, 'a schedule could not make its job'),
    })
    scheduler.start()
    const takeSchedules = async (list: readonly ScheduleEntry[]): Promise<void> => {
      await scheduler.syncFile(list.map(({ id, client, spec }) => ({ name: id, owner: client, spec })))
      log.info({ schedules: list.map(({ id }) => id) }, 'schedules read')
    }
    if (schedules) await takeSchedules(schedules.schedules)
    const reloader = createReloader({
      settings: config,
      clients,
      directories,
      blueprints: () => engine.blueprints.names(),
      onSchedules: takeSchedules,
    })

    const approvalLinks = createApprovalLinks(key)
    const webhookSecrets = createWebhookSecrets({ store, signingKey: key })
    engine.onDue(
      webhookKind,
      createWebhookSender({
        secrets: webhookSecrets,
        options: { timeoutMs: 10_000, allowPrivate: config.webhookAllowPrivate },
        complete: withApprovalLinks(approvalLinks, config.publicUrl),
        log,
      }),
    )

    const server = createOrchestrator({
      engine,
      store,
      scheduler,
      registered,
      webhookSecrets,
      approvalLinks,
      files,
      metrics,
      ...directories,
      secretOf: directories.workers.secretOf,
      ...(archive ? { archive } : {}),
      traceOf: ({ headers, routeOptions }) => {
        const { traceparent } = headers
        const parent = typeof traceparent === 'string' && parseTraceparent(traceparent) ? traceparent : null
        const at = store.now()
        const name = `POST ${routeOptions.url ?? ''}`
        return tracing.record({ name, kind: 'server', parent, startedAt: at, endedAt: at, attributes: {}, error: null })
      },
      log,
      reloader,
      ...(tls === null ? {} : { tls }),
      settings,
    })
    closers.add(server.close)
    await wait.end()
    const port = await server.listen({ host: config.apiHost, port: config.apiPort }).catch((error: unknown) => {
      throw cannotListen(config, error)
    })
    engine.start()
    closers.add(every(oneHour, () => objects.sweep(store), onError))
    closers.add(every(oneDay, () => store.sweep(), onError))
    if (archive && config.historyRetentionDays > 0)
      closers.add(
        every(oneHour, () => purgeArchive(archive, store.now() - config.historyRetentionDays * oneDay), onError),
      )
    if (config.blueprintsDir !== '')
      closers.add(watchBlueprints({ folder: config.blueprintsDir, blueprints: engine.blueprints, log }))
    log.info({ host: config.apiHost, port, blueprints: engine.blueprints.names() }, 'the orchestrator listens')
    return { port, log, reload: () => reloadAll(reloader, log), stop: closers.close }
  } catch (error) {
    // Why it did not start is what has to be told.
    await closers.close().catch(() => {})
    // Endpoints are known to clash only when the routes are made.
    throw error instanceof BlueprintError ? new ConfigError(blueprintFaults(error)) : error
  }
}

/** What the system says of an address that nobody can listen on. */
const cannotListen = ({ apiHost, apiPort }: OrchestratorConfig, error: unknown): unknown => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE' || code === 'EACCES')
    return unusable('API_PORT', `API_PORT=${apiPort} can't be used`, error, 'Choose another port, or free this one.')
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return unusable('API_HOST', `API_HOST=${apiHost} can't be used`, error, 'Name an address of this machine.')
  return error
}

const statementWatch = ({ logSql }: { logSql: boolean }, log: Logger) =>
  logSql ? { watch: (pool: WatchedPool) => logStatements(pool, log) } : {}

const loggedBy = ({ log, tellLost }: Outage) => ({
  onWarning: (text: string) => log.warn(text),
  onError: tellLost('a connection to the store was lost'),
})

/** What a schedule's job gets of its owner: as if the owner had made it. */
const scheduledJob = (name: string, client: Client | null, deps: Parameters<typeof quotaOf>[1]): Partial<JobSpec> => {
  const source = { source: `scheduler:${name}` }
  if (!client) return { clientFacts: { plan: 'system', params: source } }
  const quota = quotaOf(client, deps)
  return {
    clientFacts: { plan: client.plan, params: { ...(client.params as JsonObject), ...source } },
    ...(quota ? { quota } : {}),
    ...(client.webhookUrl === null ? {} : { webhook: { url: client.webhookUrl, events: null } }),
  }
}

const reloadAll = async (reloader: Reloader, log: Logger): Promise<void> => {
  for (const [file, outcome] of Object.entries(await reloader.reloadAll())) {
    if (outcome.status === 'reloaded') log.info({ file, entries: outcome.entries }, 'configuration reloaded')
    if (outcome.status === 'refused')
      log.error({ file }, `${file} not reloaded, what was before holds on:\n${formatFaults(outcome.faults)}`)
  }
}
