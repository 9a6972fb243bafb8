/** Reading the files again while the process runs. A file with a fault changes nothing. */
import type { ClientDirectory } from './access/client-directory.ts'
import type { WorkerDirectory } from './access/worker-directory.ts'
import type { Fault } from './fault.ts'
import {
  checkClients,
  checkWorkers,
  clientIds,
  type FileSettings,
  readClientsFile,
  readSchedulesFile,
  readWorkersFile,
} from './files.ts'
import type { Client } from './toml/clients.ts'
import { checkSchedules, type ScheduleEntry } from './toml/schedules.ts'

export type ReloadOutcome =
  | { status: 'reloaded' /** Sections in the file. */; entries: number }
  /** The variable that would name the file is not set. */
  | { status: 'not_configured'; variable: string }
  | { status: 'refused'; faults: Fault[] }

export interface Reloader {
  /** A token that is no longer in the file stops working at once. */
  reloadClients(): Promise<ReloadOutcome>
  reloadWorkers(): Promise<ReloadOutcome>
  reloadSchedules(): Promise<ReloadOutcome>
  /** Every file that is configured, each for itself: one with a fault does not keep the others from being taken. */
  reloadAll(): Promise<Record<ReloadedFile, ReloadOutcome>>
}

export type ReloadedFile = 'clients' | 'workers' | 'schedules'

export interface ReloaderDeps {
  settings: FileSettings
  /** Those of the start, which the other files are checked against; `null` without a file. */
  clients: readonly Client[] | null
  directories: { clients: ClientDirectory; workers: WorkerDirectory }
  /** Names of the blueprints that are loaded now. */
  blueprints: () => Iterable<string>
  /** Takes the schedules of the file in place of those it had before. A throw is the caller's of `reloadSchedules`. */
  onSchedules: (schedules: readonly ScheduleEntry[]) => void | Promise<void>
}

export function createReloader(deps: ReloaderDeps): Reloader {
  const { settings, directories } = deps
  let { clients } = deps

  const reloadClients = async (): Promise<ReloadOutcome> => {
    const read = readClientsFile(settings)
    if (read === null) return { status: 'not_configured', variable: 'CLIENTS_CONFIG_PATH' }
    const faults = read.faults ?? checkClients(read, settings)
    if (faults.length > 0 || !read.clients) return { status: 'refused', faults }
    clients = read.clients
    directories.clients.replace(read.clients)
    return { status: 'reloaded', entries: read.clients.length }
  }

  const reloadWorkers = async (): Promise<ReloadOutcome> => {
    const read = readWorkersFile(settings)
    if (read === null) return { status: 'not_configured', variable: 'WORKERS_CONFIG_PATH' }
    const faults = read.faults ?? checkWorkers(read, settings, clients)
    if (faults.length > 0 || !read.workers) return { status: 'refused', faults }
    directories.workers.replace(read.workers)
    return { status: 'reloaded', entries: read.workers.length }
  }

  const reloadSchedules = async (): Promise<ReloadOutcome> => {
    const read = readSchedulesFile(settings)
    if (read === null) return { status: 'not_configured', variable: 'SCHEDULES_CONFIG_PATH' }
    const faults =
      read.faults ?? checkSchedules(read, { blueprints: new Set(deps.blueprints()), clients: clientIds(clients) })
    if (faults.length > 0 || !read.schedules) return { status: 'refused', faults }
    await deps.onSchedules(read.schedules)
    return { status: 'reloaded', entries: read.schedules.length }
  }

  return {
    reloadClients,
    reloadWorkers,
    reloadSchedules,
    // Clients first: the other files are checked against them.
    reloadAll: async () => ({
      clients: await reloadClients(),
      workers: await reloadWorkers(),
      schedules: await reloadSchedules(),
    }),
  }
}
