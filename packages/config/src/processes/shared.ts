/** Variables that several processes read. Spread into their tables. */
import { hostname } from 'node:os'
import {
  choice,
  flag,
  folder,
  fraction,
  identifier,
  integer,
  seconds,
  skillRates,
  timeZone,
} from '../variables/schemas.ts'
import type { Computed, ConfigOf, VariableTable } from '../variables/variable.ts'

const logLevels = ['DEBUG', 'INFO', 'WARNING', 'ERROR'] as const

/** Of a token that is compared with what callers offer, over a network. */
export const leastTokenBytes = 16
/** Of a key: who has something that it signed can try all short ones in peace. */
export const leastKeyBytes = 32

export const machineName: Computed = { text: 'hostname', value: () => hostname() }

export const modeVariables = {
  tuttiEnv: {
    name: 'TUTTI_ENV',
    default: 'production',
    description: 'In development, placeholder secrets are accepted.',
    schema: choice(['development', 'production']),
  },
} satisfies VariableTable

export const startVariables = {
  startWaitSeconds: {
    name: 'START_WAIT_SECONDS',
    default: '300',
    description:
      'How long a start waits for a database or a bucket that is away, before it fails: meanwhile the port answers 503 and says for what. 0: it fails at once. What no waiting cures, such as a wrong password, fails it at once in any case.',
    schema: integer(0),
  },
} satisfies VariableTable

const logFormat = {
  name: 'LOG_FORMAT',
  default: 'json',
  description: 'How log lines are written: for machines or for people.',
  schema: choice(['text', 'json']),
}

const zone = {
  name: 'TZ',
  default: 'UTC',
  description: 'Time zone of schedules, log timestamps and history output.',
  schema: timeZone,
}

const logFileVariables = {
  logToFile: {
    name: 'LOG_TO_FILE',
    default: 'false',
    description:
      'Whether the log is also written to files in LOG_DIR, one for each server and day. A disk that is full or a folder that can’t be written costs lines there, and is told on standard output.',
    schema: flag,
  },
  logDir: { name: 'LOG_DIR', default: './logs', description: 'The folder of those files.', schema: folder },
  logBackupCount: {
    name: 'LOG_BACKUP_COUNT',
    default: '14',
    description: 'How many files of former days are kept, of each server; 0 keeps all.',
    schema: integer(0, 36_500),
  },
  logSql: {
    name: 'LOG_SQL',
    default: 'false',
    description:
      'Whether each SQL statement is logged, with its duration and number of rows. Its parameters never are, at no level: they hold what people wrote, and secrets.',
    schema: flag,
  },
  uvicornAccessLog: {
    name: 'UVICORN_ACCESS_LOG',
    default: 'false',
    description:
      'The access log: a line for each request, with method, route, status, milliseconds, user and request id. Ids, queries and headers are left out, because some of them are secrets.',
    schema: flag,
    aliases: ['ACCESS_LOG'],
  },
} satisfies VariableTable

/** The orchestrator's logging. */
export const logVariables = {
  tz: zone,
  logLevel: {
    name: 'LOG_LEVEL',
    default: 'INFO',
    description: 'The least important level that is written.',
    schema: choice(logLevels),
  },
  logFormat,
  ...logFileVariables,
} satisfies VariableTable

/** The workbench's logging: here DEBUG moves the default of LOG_LEVEL. */
export const workbenchLogVariables = {
  tz: zone,
  debug: {
    name: 'DEBUG',
    default: 'false',
    description:
      'Makes DEBUG the default of LOG_LEVEL. It reveals nothing else: answers and log lines hold no more than without it.',
    schema: flag,
  },
  logLevel: {
    ...logVariables.logLevel,
    default: {
      text: 'INFO, or DEBUG when DEBUG is on',
      value: (env) => (env.DEBUG && flag.safeParse(env.DEBUG).data ? 'DEBUG' : 'INFO'),
    },
  },
  logFormat,
  ...logFileVariables,
} satisfies VariableTable

/** What they mean to `createLogger` of @tutti/telemetry. */
export const logSettings = (config: ConfigOf<typeof logVariables>) => ({
  level: config.logLevel,
  format: config.logFormat,
  timeZone: config.tz,
  ...(config.logToFile ? { file: { dir: config.logDir, backups: config.logBackupCount } } : {}),
})

/** Read by every process that runs the engine. */
export const engineVariables = {
  instanceId: {
    name: 'INSTANCE_ID',
    default: machineName,
    description: 'Tells this instance from the others that share a store; it must be unique among them.',
    schema: identifier,
  },
  workerTimeoutSeconds: {
    name: 'WORKER_TIMEOUT_SECONDS',
    default: '300',
    description: 'The longest time a worker may take over a task.',
    schema: seconds,
  },
  workerPollTimeoutSeconds: {
    name: 'WORKER_POLL_TIMEOUT_SECONDS',
    default: '30',
    description: 'How long a worker’s request for tasks stays open when there is none.',
    schema: seconds,
  },
  workerHealthCheckIntervalSeconds: {
    name: 'WORKER_HEALTH_CHECK_INTERVAL_SECONDS',
    default: '60',
    description: 'How often a worker renews its registration; it counts as gone after twice this time.',
    schema: seconds,
  },
  jobMaxRetries: {
    name: 'JOB_MAX_RETRIES',
    default: '3',
    description: 'How often a task that failed for a passing reason is tried again.',
    schema: integer(0, 1000),
  },
  watcherIntervalSeconds: {
    name: 'WATCHER_INTERVAL_SECONDS',
    default: '20',
    description: 'How often the safety net looks for jobs past their deadline.',
    schema: seconds,
  },
  executorMaxConcurrentJobs: {
    name: 'EXECUTOR_MAX_CONCURRENT_JOBS',
    default: '100',
    description: 'How many job handlers one instance runs at a time.',
    schema: integer(1),
  },
  maxTransitionsPerJob: {
    name: 'MAX_TRANSITIONS_PER_JOB',
    default: '100',
    description: 'A job that changes state more often than this is stopped: its blueprint goes round in circles.',
    schema: integer(1),
  },
  maxJobDepth: {
    name: 'MAX_JOB_DEPTH',
    default: '20',
    description: 'How deep jobs may start jobs that start jobs.',
    schema: integer(1, 1000),
  },
  skillRateLimits: {
    name: 'SKILL_RATE_LIMITS',
    default: '',
    description: 'How many tasks of a skill are handed out in a time, over all instances. Other skills have no limit.',
    schema: skillRates,
  },
  reputationRewardSuccess: {
    name: 'REPUTATION_REWARD_SUCCESS',
    default: '0.001',
    description: 'What a worker’s reputation, from 0 to 1, gains by a task done.',
    schema: fraction,
  },
  reputationPenaltyTaskFailure: {
    name: 'REPUTATION_PENALTY_TASK_FAILURE',
    default: '0.05',
    description: 'What it loses by a try that failed; an input that is no good is not its fault.',
    schema: fraction,
  },
  reputationPenaltyContractViolation: {
    name: 'REPUTATION_PENALTY_CONTRACT_VIOLATION',
    default: '0.2',
    description: 'What it loses by a result that breaks the schema of its skill.',
    schema: fraction,
  },
  reputationMinThreshold: {
    name: 'REPUTATION_MIN_THRESHOLD',
    default: '0.3',
    description: 'A worker below gets no tasks that another one could do.',
    schema: fraction,
  },
  dispatcherSoftLimit: {
    name: 'DISPATCHER_SOFT_LIMIT',
    default: '3',
    description: 'The strategy “overflow” passes over a worker that holds this many tasks.',
    schema: integer(1),
  },
} satisfies VariableTable

/** What these variables mean to the engine: `EngineSettings` of @tutti/engine, in part. */
export const engineSettings = (config: ConfigOf<typeof engineVariables>) => ({
  instance: config.instanceId,
  taskAttempts: config.jobMaxRetries + 1,
  handlerAttempts: config.jobMaxRetries + 1,
  taskTimeoutMs: config.workerTimeoutSeconds * 1000,
  workerTtlMs: config.workerHealthCheckIntervalSeconds * 2000,
  taskLeaseMs: config.workerHealthCheckIntervalSeconds * 2000,
  maxHandlers: config.executorMaxConcurrentJobs,
  maxTransitions: config.maxTransitionsPerJob,
  maxDepth: config.maxJobDepth,
  skillRates: config.skillRateLimits,
  reputation: {
    reward: config.reputationRewardSuccess,
    failurePenalty: config.reputationPenaltyTaskFailure,
    violationPenalty: config.reputationPenaltyContractViolation,
    minimum: config.reputationMinThreshold,
  },
  overflowLimit: config.dispatcherSoftLimit,
  safetyIntervalMs: config.watcherIntervalSeconds * 1000,
})
