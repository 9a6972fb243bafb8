/** What the server's settings mean for jobs that were acknowledged, in words for the operator. */
import type { RedisConnection } from './connection.ts'

const settings = ['appendonly', 'appendfsync', 'save', 'maxmemory', 'maxmemory-policy'] as const
type Settings = Partial<Record<(typeof settings)[number], string>>

/** Warnings; none when nothing that was acknowledged is lost unless the machine or its disk is. */
export const persistenceWarnings = async (connection: RedisConnection): Promise<string[]> => {
  try {
    // On a cluster each node may come to hold the keys.
    const answers = await connection.sendToAll(['CONFIG', 'GET', ...settings])
    return [...new Set(answers.flatMap((answer) => warningsFor(settingsOf(answer))))]
  } catch (error) {
    return [
      `Redis does not tell its settings (${(error as Error).message}), so it can't be known whether it keeps what was acknowledged: it should run with "appendonly yes", "appendfsync always" or "everysec", and "maxmemory-policy noeviction".`,
    ]
  }
}

/** RESP3 answers a map, RESP2 a flat list. */
const settingsOf = (answer: unknown): Settings => {
  if (!Array.isArray(answer)) return { ...(answer as Settings) }
  const flat = answer as string[]
  return Object.fromEntries(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1]]] : []))) as Settings
}

const warningsFor = (there: Settings): string[] => [...evictionWarnings(there), ...durabilityWarnings(there)]

const evictionWarnings = ({ 'maxmemory-policy': policy = 'noeviction', maxmemory = '0' }: Settings): string[] => {
  if (policy === 'noeviction') return []
  const when = maxmemory === '0' ? 'as soon as a limit of memory is set' : 'when its memory is full'
  return [
    `Redis may throw away parts of jobs ${when} (maxmemory-policy ${policy}): jobs would be lost or stand still. Set "maxmemory-policy noeviction"; then it refuses new work instead.`,
  ]
}

const durabilityWarnings = ({ appendonly, appendfsync, save }: Settings): string[] => {
  if (appendonly === 'yes') {
    if (appendfsync !== 'no') return []
    return [
      'Redis leaves it to the operating system when its log reaches the disk (appendfsync no): what was acknowledged in the last half minute or so is lost when the machine fails, though not when Redis alone does. Set "appendfsync everysec" (at most about a second is lost) or "always" (nothing is).',
    ]
  }
  if (save)
    return [
      `Redis writes snapshots only (appendonly no, save ${save}): all that was acknowledged since the last one is lost when it ends without warning, minutes of work. Set "appendonly yes".`,
    ]
  return [
    'Redis keeps everything in memory alone (appendonly no, no snapshots): all jobs are lost when it ends. Set "appendonly yes".',
  ]
}
