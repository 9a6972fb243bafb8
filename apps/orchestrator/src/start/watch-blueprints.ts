/** Hot reload: a changed folder of blueprints is loaded again while the server runs. */
import { watch } from 'node:fs'
import { BlueprintError, type BlueprintRegistry, type RegistryChange } from '@tutti/engine'
import type { Logger } from '@tutti/telemetry'
import { loadBlueprints } from './load-blueprints.ts'

export interface WatchDeps {
  folder: string
  blueprints: BlueprintRegistry
  log: Logger
}

/** An editor writes a file in several steps, and a copy of a folder takes its time. */
const quietMs = 200

/**
 * Watches the folder. All of it is taken over, or, when there is a fault in any file, nothing: what runs goes on as it is.
 * @returns the way to stop, which waits for a load under way
 */
export const watchBlueprints = ({ folder, blueprints, log }: WatchDeps): (() => Promise<void>) => {
  let timer: NodeJS.Timeout | undefined
  let loading: Promise<void> = Promise.resolve()
  const reload = async (): Promise<void> => {
    try {
      tell(blueprints.replace('dir', await loadBlueprints(folder, { fresh: true })), log)
    } catch (error) {
      const faults = error instanceof BlueprintError ? error.message.split('\n') : [String(error)]
      for (const fault of faults) log.error(`${fault}. Nothing was changed: mend the file, and it is loaded again.`)
    }
  }
  const watcher = watch(folder, { recursive: true }, () => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      // One after another: a slow load must not overtake a later one.
      loading = loading.then(reload)
    }, quietMs)
  })
  watcher.on('error', (error) => log.warn({ err: error }, 'BLUEPRINTS_DIR is not watched any more'))
  return async () => {
    clearTimeout(timer)
    watcher.close()
    await loading
  }
}

const tell = ({ added, replaced, retired }: RegistryChange, log: Logger): void => {
  for (const { name, version } of added) log.info(`blueprint ${name} v${version} is there`)
  for (const { now, changed } of replaced)
    if (changed)
      log.warn(
        `blueprint ${now.name} v${now.version} was replaced under the same version: running jobs go on with the new definition. Give it a new version where they must not.`,
      )
  for (const { name, version } of retired)
    log.info(`blueprint ${name} v${version} takes no new jobs any more; running ones go on`)
}
