/**
 * What the two configuration documents say about the variables that are read today: the name, and the default as the
 * document writes it. `required` is a variable without a default; `hostname` is this machine's name.
 */
export const required = Symbol('required')
export const hostname = Symbol('hostname')
type Documented = Readonly<Record<string, string | typeof required | typeof hostname>>

export const orchestratorDocument: Documented = {
  API_HOST: '0.0.0.0',
  API_PORT: '8080',
  REDIS_HOST: '',
  REDIS_PORT: '6379',
  REDIS_DB: '0',
  INSTANCE_ID: hostname,
  CLIENT_TOKEN: 'secure-orchestrator-token',
  GLOBAL_WORKER_TOKEN: 'secure-worker-token',
  WORKERS_CONFIG_PATH: '',
  CLIENTS_CONFIG_PATH: '',
  SCHEDULES_CONFIG_PATH: '',
  TZ: 'UTC',
  LOG_LEVEL: 'INFO',
  LOG_FORMAT: 'json',
  WORKER_TIMEOUT_SECONDS: '300',
  WORKER_POLL_TIMEOUT_SECONDS: '30',
  WORKER_HEALTH_CHECK_INTERVAL_SECONDS: '60',
  JOB_MAX_RETRIES: '3',
  WATCHER_INTERVAL_SECONDS: '20',
  EXECUTOR_MAX_CONCURRENT_JOBS: '100',
  HISTORY_DATABASE_URI: '',
  S3_ENDPOINT_URL: '',
  S3_ACCESS_KEY: '',
  S3_SECRET_KEY: '',
  S3_DEFAULT_BUCKET: 'avtomatika-payloads',
  S3_REGION: 'us-east-1',
  S3_MAX_CONCURRENCY: '100',
  TASK_FILES_DIR: '/tmp/avtomatika-payloads',
}

export const backendDocument: Documented = {
  HOST: '0.0.0.0',
  PORT: '8000',
  DATABASE_URL: required,
  SECRET_KEY: required,
  INTERNAL_API_TOKEN: required,
  S3_PRESIGN_EXPIRES: '300',
  MAX_UPLOAD_SIZE_MB: '100',
  CORS_ORIGINS: '["http://localhost:3000","http://127.0.0.1:3000"]',
  S3_PUBLIC_ENDPOINT: '',
  S3_REGION: 'us-east-1',
  S3_FORCE_PATH_STYLE: 'true',
  UVICORN_ACCESS_LOG: 'false',
  LOG_TO_FILE: 'false',
  LOG_DIR: './logs',
  LOG_BACKUP_COUNT: '14',
  LOG_SQL: 'false',
  NEXT_PUBLIC_API_URL: '',
  NEXT_PUBLIC_WS_URL: '',
  OPENAI_API_KEY: '',
  OPENAI_DEFAULT_MODEL: 'gpt-4o-mini',
  DEBUG: 'false',
}

export const managerDocument: Documented = {
  BACKEND_URL: required,
  INTERNAL_API_TOKEN: required,
  WORKSPACE_ROOT: required,
  ANTHROPIC_AUTH_TOKEN: '',
  ANTHROPIC_BASE_URL: 'https://api.anthropic.com',
  DEFAULT_MODEL: 'claude-sonnet-4-20250514',
  TASK_PULL_ENABLED: 'true',
  MAX_CONCURRENT_TASKS: '5',
  TASK_PULL_INTERVAL_SECONDS: '2',
  TASK_CLAIM_LEASE_SECONDS: '180',
  WORKSPACE_IGNORE_DOT_FILES: 'true',
  UVICORN_ACCESS_LOG: 'false',
  LOG_TO_FILE: 'false',
  LOG_DIR: './logs',
  LOG_BACKUP_COUNT: '14',
  DEBUG: 'false',
}
