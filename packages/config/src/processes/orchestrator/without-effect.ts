/** Variables that people bring along from other orchestrators, and that mean nothing here. They are named when they are set: a setting that does nothing misleads. */
import type { Fault } from '../../fault.ts'
import type { Environment } from '../../variables/variable.ts'

export const withoutEffect: Readonly<Record<string, string>> = {
  WORK_STEALING_ENABLED: 'tasks wait in queues that every worker draws from, so there is nothing to steal',
  DISPATCHER_MAX_CANDIDATES: 'a task is matched when a worker asks, so no list of candidates is made',
  WATCHER_LIMIT: 'whatever is due is taken in batches until nothing is left',
  REDIS_STREAM_BLOCK_MS: 'the store wakes who waits, and WATCHER_INTERVAL_SECONDS is the safety net',
  REDIS_ENCRYPTION_KEY: 'no worker’s token is ever kept in Redis',
}

export function warnWithoutEffect(env: Environment, names = withoutEffect): Fault[] {
  return Object.entries(names).flatMap(([name, reason]) =>
    env[name]
      ? [{ source: 'environment', variable: name, what: `${name} has no effect here: ${reason}`, remedy: 'Remove it.' }]
      : [],
  )
}
