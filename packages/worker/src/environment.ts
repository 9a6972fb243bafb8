/** What a worker is told by its environment. Everything is read at once, so that all faults are told at once. */
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BackoffOptions, JsonObject } from '@tutti/contracts'
import type { OrchestratorAddress } from './crew.ts'
import { WorkerFileError } from './errors.ts'
import type { ClientTls } from './tls-fetch.ts'
import type { TurnMode } from './turns.ts'

export interface WorkerEnvironment {
  url: string
  token: string
  /** In place of `url`, where there are several. */
  orchestrators: OrchestratorAddress[] | undefined
  mode: TurnMode | 'all'
  shortLivedTokens: boolean
  id: string | undefined
  type: string | undefined
  concurrency: number | undefined
  /** Of the registration: resources, software, artifacts, prices. */
  describe: JsonObject
  tls: ClientTls | undefined
  webSocket: boolean
  pollSeconds: number
  /** Longest time between two signs of life; the orchestrator may want them sooner. */
  heartbeatSeconds: number
  /** A drain that takes longer is cut short. */
  shutdownSeconds: number
  /** Where GET /health answers; undefined: nowhere. */
  healthPort: number | undefined
  /** GET /metrics answers there, too. */
  metrics: boolean
  /** Each file in it defines a worker, whose skills are added. */
  skillsDir: string | undefined
  /** Where tasks get their folders; null: files are left where they are. */
  filesDir: string | null
  strictEvents: boolean
  signMessages: boolean
  resultRetries: number | undefined
  heartbeatDebounceMs: number | undefined
  registrationBackoff: BackoffOptions | undefined
  resultBackoff: BackoffOptions | undefined
  pollBackoff: BackoffOptions | undefined
  idleBackoff: BackoffOptions | undefined
}

type Environment = Record<string, string | undefined>

/** @throws WorkerFileError with every fault, a line each */
export const workerFromEnvironment = (env: Environment): WorkerEnvironment => {
  const faults: string[] = []
  const text = (name: string): string | undefined => env[name] || undefined
  const number = (name: string, { min, max, whole = false }: { min: number; max: number; whole?: boolean }) => {
    const given = text(name)
    if (given === undefined) return undefined
    const value = Number(given)
    if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value
    faults.push(`${name} must be a ${whole ? 'whole ' : ''}number from ${min} to ${max}, not “${given}”.`)
    return undefined
  }
  const flag = (name: string): boolean | undefined => {
    const given = text(name)?.toLowerCase()
    if (given === undefined) return undefined
    if (['true', '1', 'yes'].includes(given)) return true
    if (!['false', '0', 'no'].includes(given)) faults.push(`${name} must be true or false, not “${given}”.`)
    return false
  }
  const json = (name: string, fits: (value: unknown) => boolean, what: string): JsonObject[string] | undefined => {
    const given = text(name)
    if (given === undefined) return undefined
    try {
      const value = JSON.parse(given)
      if (fits(value)) return value
    } catch {
      // Said below.
    }
    faults.push(`${name} must be JSON: ${what}.`)
    return undefined
  }
  const file = (name: string): string | undefined => {
    const path = text(name)
    if (path === undefined) return undefined
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      faults.push(`${name} can’t be read: ${error instanceof Error ? error.message : error}`)
      return undefined
    }
  }

  const ms = (name: string): number | undefined => {
    const seconds = number(name, { min: 0, max: 3600 })
    return seconds === undefined ? undefined : seconds * 1000
  }
  /** The longest delay is never shorter than the first. */
  const backoff = (first: string, most: string | undefined, usualMs: number): BackoffOptions | undefined => {
    const [firstMs, maxMs] = [ms(first), most === undefined ? undefined : ms(most)]
    if (firstMs === undefined && maxMs === undefined) return undefined
    // None at all would be a loop that takes a whole core.
    return { firstMs: Math.max(1, firstMs ?? 1000), maxMs: Math.max(1, firstMs ?? 0, maxMs ?? usualMs) }
  }

  const url = text('ORCHESTRATOR_URL') ?? 'http://localhost:8080'
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    faults.push(`ORCHESTRATOR_URL must be an http(s) address, not “${url}”.`)
  const orchestrators = json(
    'ORCHESTRATORS_CONFIG',
    (value) => Array.isArray(value) && value.length > 0 && value.every(isAddress),
    'a list of {"url", "priority"?, "weight"?, "token"?}',
  ) as OrchestratorAddress[] | undefined
  const given = text('MULTI_ORCHESTRATOR_MODE')?.toLowerCase() ?? 'waterfall'
  const mode = modes[given]
  if (mode === undefined) faults.push(`MULTI_ORCHESTRATOR_MODE must be WATERFALL, ROUND_ROBIN or ALL, not “${given}”.`)
  const id = text('WORKER_ID')
  if (id !== undefined && !/^[A-Za-z0-9_-]{1,128}$/.test(id))
    faults.push(`WORKER_ID may have letters, digits, - and _ only, not “${id}”.`)

  const [ca, cert, key] = [file('TLS_CA_PATH'), file('TLS_CERT_PATH'), file('TLS_KEY_PATH')]
  if ((text('TLS_CERT_PATH') === undefined) !== (text('TLS_KEY_PATH') === undefined))
    faults.push('TLS_CERT_PATH and TLS_KEY_PATH must be set together.')
  const token = text('WORKER_INDIVIDUAL_TOKEN') ?? text('WORKER_TOKEN') ?? ''
  // A certificate says who comes as well as a token does.
  const owns = orchestrators?.every((each) => each.token !== undefined) ?? false
  if (token === '' && cert === undefined && !owns)
    faults.push('Set WORKER_TOKEN, or WORKER_INDIVIDUAL_TOKEN, to the token of this worker.')

  const signMessages = flag('WORKER_SIGN_MESSAGES') ?? false
  if (signMessages && token === '' && !owns)
    faults.push(
      'WORKER_SIGN_MESSAGES needs WORKER_TOKEN, or WORKER_INDIVIDUAL_TOKEN: it is what messages are signed with.',
    )

  const gpu = {
    model: text('GPU_MODEL'),
    vram_gb: number('GPU_VRAM_GB', { min: 0, max: 100_000 }),
    id: text('GPU_ID'),
  }
  const resources = present({
    cpu_cores: number('CPU_CORES', { min: 1, max: 100_000 }),
    ram_gb: number('RAM_GB', { min: 0, max: 1_000_000 }),
    gpu_info: Object.values(gpu).some((value) => value !== undefined) ? present(gpu) : undefined,
    devices: json('WORKER_DEVICES', Array.isArray, 'a list of {"type", "model", "properties"}'),
  })
  const extra = Object.entries(env).flatMap(([name, value]) =>
    name.startsWith('WORKER_EXTRA_') && value ? [[name.slice('WORKER_EXTRA_'.length).toLowerCase(), value]] : [],
  )
  const describe = present({
    cost_per_skill: json('COST_PER_SKILL', isNumbers, 'an object of a price for each skill'),
    installed_software: json('INSTALLED_SOFTWARE', isObject, 'an object of a version for each name'),
    installed_models: json('INSTALLED_MODELS', Array.isArray, 'a list of {"name", "version"}'),
    installed_artifacts: json('INSTALLED_ARTIFACTS', Array.isArray, 'a list of {"name", "version"}'),
    resources: Object.keys(resources).length > 0 ? resources : undefined,
    capabilities: extra.length > 0 ? { extra: Object.fromEntries(extra) } : undefined,
  })

  const found: WorkerEnvironment = {
    url,
    token,
    orchestrators,
    mode: mode ?? 'waterfall',
    shortLivedTokens: flag('WORKER_SHORT_LIVED_TOKENS') ?? false,
    id,
    type: text('WORKER_TYPE'),
    concurrency: number('MAX_CONCURRENT_TASKS', { min: 1, max: 10_000, whole: true }),
    describe,
    tls: ca === undefined && cert === undefined ? undefined : { ca, cert, key },
    webSocket: flag('WORKER_ENABLE_WEBSOCKETS') ?? true,
    pollSeconds: number('TASK_POLL_TIMEOUT', { min: 0, max: 300 }) ?? 30,
    heartbeatSeconds: number('HEARTBEAT_INTERVAL', { min: 0.1, max: 3600 }) ?? 15,
    shutdownSeconds: number('WORKER_SHUTDOWN_TIMEOUT', { min: 0, max: 86_400 }) ?? 3600,
    metrics: flag('WORKER_ENABLE_METRICS') ?? false,
    skillsDir: text('WORKER_SKILLS_DIR'),
    filesDir: flag('WORKER_STAGE_FILES') === false ? null : (text('TASK_FILES_DIR') ?? join(tmpdir(), 'payloads')),
    strictEvents: flag('STRICT_EVENT_VALIDATION') ?? true,
    signMessages,
    resultRetries: number('RESULT_MAX_RETRIES', { min: 0, max: 1_000_000, whole: true }),
    heartbeatDebounceMs: ms('WORKER_HEARTBEAT_DEBOUNCE_DELAY'),
    registrationBackoff: backoff('REGISTRATION_RETRY_INITIAL_DELAY', 'REGISTRATION_RETRY_MAX_DELAY', 60_000),
    resultBackoff: backoff('RESULT_RETRY_INITIAL_DELAY', undefined, 30_000),
    pollBackoff: backoff('TASK_POLL_ERROR_DELAY', undefined, 30_000),
    idleBackoff: backoff('IDLE_POLL_DELAY', undefined, 5_000),
    healthPort: number('WORKER_PORT', { min: 0, max: 65_535, whole: true }),
  }
  if (faults.length > 0) throw new WorkerFileError(faults.join('\n'))
  return found
}

const modes: Record<string, TurnMode | 'all'> = {
  waterfall: 'waterfall',
  failover: 'waterfall',
  round_robin: 'round_robin',
  all: 'all',
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isAddress = (value: unknown): boolean =>
  isObject(value) &&
  typeof value.url === 'string' &&
  /^https?:\/\//.test(value.url) &&
  URL.canParse(value.url) &&
  [value.priority ?? 0, value.weight ?? 1].every((each) => typeof each === 'number') &&
  Number(value.weight ?? 1) > 0 &&
  ['string', 'undefined'].includes(typeof value.token)
const isNumbers = (value: unknown): boolean =>
  isObject(value) && Object.values(value).every((each) => typeof each === 'number')

const present = (fields: Record<string, JsonObject[string] | undefined>): JsonObject =>
  Object.fromEntries(Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
