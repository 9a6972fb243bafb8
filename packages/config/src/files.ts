/** clients.toml, workers.toml and schedules.toml together: what each says, and what they must not say about one another. */
import { hashToken } from './access/tokens.ts'
import type { Fault } from './fault.ts'
import { nearest } from './nearest.ts'
import type { OrchestratorConfig } from './processes/orchestrator.ts'
import { type Client, type ClientsResult, clientFields, readClients } from './toml/clients.ts'
import {
  checkSchedules,
  readSchedules,
  type SchedulesFile,
  type SchedulesResult,
  schedulerClient,
} from './toml/schedules.ts'
import { readWorkers, type WorkerEntry, type WorkersResult } from './toml/workers.ts'

/** What of the environment decides about the files. */
export type FileSettings = Partial<
  Pick<
    OrchestratorConfig,
    | 'clientsConfigPath'
    | 'workersConfigPath'
    | 'schedulesConfigPath'
    | 'clientToken'
    | 'globalWorkerToken'
    | 'workerSignatures'
  >
>

export interface FilesResult {
  /** `null`: no such file is configured, or it has faults. */
  clients: Client[] | null
  workers: WorkerEntry[] | null
  schedules: SchedulesFile | null
  faults: Fault[]
  warnings: Fault[]
}

/** Reads all files that are configured. */
export function readFiles(settings: FileSettings): FilesResult {
  const clients = readClientsFile(settings)
  const workers = readWorkersFile(settings)
  const schedules = readSchedulesFile(settings)
  const read = [clients, workers, schedules].filter((file) => file !== null)
  const faults = read.flatMap((file) => file.faults ?? [])
  if (workers?.workers) faults.push(...checkWorkers(workers, settings, clients?.clients ?? null))
  if (clients?.clients) faults.push(...checkClients(clients, settings))
  if (schedules?.schedules && clients?.faults === undefined)
    faults.push(...checkSchedules(schedules, { clients: clientIds(clients?.clients ?? null) }))
  return {
    clients: clients?.clients ?? null,
    workers: workers?.workers ?? null,
    schedules: schedules?.schedules ? schedules : null,
    faults: [...sameGlobalToken(settings), ...faults],
    warnings: clients?.clients ? warnClients(clients) : [],
  }
}

/** Any field may be a param; one that is nearly a field with a meaning leaves a client without the limit that it was given. */
function warnClients({ clients, place }: ClientsResult & { clients: Client[] }): Fault[] {
  return clients.flatMap(({ id, params }) =>
    Object.keys(params).flatMap((name) => {
      const meant = nearest(name, Object.keys(clientFields))
      if (meant === null) return []
      const what = `“${name}” of [${id}] is a param for blueprints and nothing else`
      return [{ ...place(id, name), what, remedy: `Did you mean ${meant}?` }]
    }),
  )
}

function sameGlobalToken({ clientsConfigPath, clientToken, globalWorkerToken }: FileSettings): Fault[] {
  if (clientsConfigPath || !clientToken || clientToken !== globalWorkerToken) return []
  const what = 'CLIENT_TOKEN and GLOBAL_WORKER_TOKEN are the same, so every worker could pass for the client'
  return [{ source: 'environment', variable: 'GLOBAL_WORKER_TOKEN', what, remedy: 'Set two different random values.' }]
}

export const readClientsFile = ({ clientsConfigPath: path }: FileSettings): ClientsResult | null =>
  path ? readClients({ path }) : null

export const readWorkersFile = ({
  workersConfigPath: path,
  workerSignatures = 'off',
}: FileSettings): WorkersResult | null =>
  path ? readWorkers({ path }, { keepSecrets: workerSignatures !== 'off' }) : null

export const readSchedulesFile = ({ schedulesConfigPath: path }: FileSettings): SchedulesResult | null =>
  path ? readSchedules({ path }) : null

/** Without a file there is the one client of CLIENT_TOKEN. */
export const clientIds = (clients: readonly Client[] | null): ReadonlySet<string> =>
  new Set(clients === null ? ['default', schedulerClient] : clients.map(({ id }) => id))

/** One token opens one door: a client whose token is a worker's could do that worker's work, and the other way round. */
export function checkClients(
  { clients, place }: ClientsResult & { clients: Client[] },
  { globalWorkerToken }: FileSettings,
): Fault[] {
  const faults: Fault[] = []
  const globalHash = globalWorkerToken ? hashToken(globalWorkerToken) : null
  for (const { id, tokenHash } of clients) {
    if (id === schedulerClient)
      faults.push({
        ...place(id),
        what: `[${id}] is the name of the client that owns the jobs of schedules`,
        remedy: 'Call this client something else.',
      })
    if (tokenHash === globalHash)
      faults.push({
        ...place(id, 'token'),
        what: `[${id}] has GLOBAL_WORKER_TOKEN as its token, so every worker could pass for it`,
        remedy: 'Give it a token of its own.',
      })
  }
  return faults
}

/** @param clients who else has tokens; `null`: nobody but CLIENT_TOKEN */
export function checkWorkers(
  { workers, place }: WorkersResult & { workers: WorkerEntry[] },
  { globalWorkerToken, clientToken, workerSignatures }: FileSettings,
  clients: readonly Client[] | null,
): Fault[] {
  const faults: Fault[] = []
  const globalHash = globalWorkerToken ? hashToken(globalWorkerToken) : null
  const holders = new Map(
    clients === null
      ? clientToken
        ? [[hashToken(clientToken), 'CLIENT_TOKEN']]
        : []
      : clients.map(({ id, tokenHash }) => [tokenHash, `the token of the client [${id}]`]),
  )
  for (const { id, tokenHash, secret } of workers) {
    const say = (what: string, remedy: string): void => {
      faults.push({ ...place(id, 'token'), what, remedy })
    }
    if (tokenHash === globalHash)
      say(
        `[${id}] has GLOBAL_WORKER_TOKEN as its own token, which lets it pass for other workers`,
        'Give it a token of its own.',
      )
    const holder = holders.get(tokenHash)
    if (holder !== undefined) say(`[${id}] has ${holder} as its own token`, 'Give it a token of its own.')
    if (workerSignatures === 'required' && secret === null)
      say(
        `[${id}] gives token_sha256 only, and WORKER_SIGNATURES=required checks signatures with the token itself`,
        'Write its token instead, or use WORKER_SIGNATURES=optional.',
      )
  }
  return faults
}
