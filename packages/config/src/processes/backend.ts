import { hostname } from 'node:os'
import {
  headerToken,
  host,
  httpUrl,
  identifier,
  integer,
  optionalHttpUrl,
  optionalWsUrl,
  origins,
  port,
  postgresUrl,
  text,
} from '../variables/schemas.ts'
import type { ConfigOf, VariableTable } from '../variables/variable.ts'
import { budgetVariables } from './budgets.ts'
import { modelVariables } from './models.ts'
import { objectVariables, presignVariables } from './objects.ts'
import { accessVariables } from './orchestrator/access.ts'
import { payloadVariables } from './payloads.ts'
import {
  engineVariables,
  leastKeyBytes,
  leastTokenBytes,
  modeVariables,
  startVariables,
  workbenchLogVariables,
} from './shared.ts'
import { storageVariables } from './storage.ts'

/** Told to the pages, which ask for it when they open: so the same build serves every address. */
const pageVariables = {
  nextPublicApiUrl: {
    name: 'NEXT_PUBLIC_API_URL',
    default: '',
    description: 'Where browsers reach the API directly. Empty: at the origin of the page.',
    schema: optionalHttpUrl,
  },
  nextPublicWsUrl: {
    name: 'NEXT_PUBLIC_WS_URL',
    default: '',
    description:
      'Where browsers reach the WebSockets directly, such as wss://example.com. Empty: at the origin of the page.',
    schema: optionalWsUrl,
  },
} satisfies VariableTable

const titleVariables = {
  openaiApiKey: {
    name: 'OPENAI_API_KEY',
    default: '',
    description:
      'With it a model makes the titles of sessions, from the beginning of the first message, which is sent to OPENAI_BASE_URL. Empty: the title is the first line of that message.',
    schema: headerToken,
    secret: true,
  },
  openaiBaseUrl: {
    name: 'OPENAI_BASE_URL',
    default: 'https://api.openai.com/v1',
    description: 'The address of an OpenAI-compatible API, with its version.',
    schema: httpUrl,
  },
  openaiDefaultModel: {
    name: 'OPENAI_DEFAULT_MODEL',
    default: 'gpt-4o-mini',
    description: 'The model that makes titles.',
    schema: text,
  },
} satisfies VariableTable

const memoryVariables = {
  memoryEmbeddingModel: {
    name: 'MEMORY_EMBEDDING_MODEL',
    default: '',
    description:
      'A model of embeddings, such as text-embedding-3-small: with it memories are found by what they mean, too. Their texts and the queries are sent to its address. Empty: by their words alone.',
    schema: text,
  },
  memoryEmbeddingBaseUrl: {
    name: 'MEMORY_EMBEDDING_BASE_URL',
    default: '',
    description:
      'The address of an OpenAI-compatible API, with its version, where MEMORY_EMBEDDING_MODEL is. Empty: OPENAI_BASE_URL with OPENAI_API_KEY.',
    schema: optionalHttpUrl,
  },
  memoryEmbeddingApiKey: {
    name: 'MEMORY_EMBEDDING_API_KEY',
    default: '',
    description: 'The key for MEMORY_EMBEDDING_BASE_URL. Empty: that server asks for none.',
    schema: headerToken,
    secret: true,
  },
} satisfies VariableTable

export const backendVariables = {
  ...modeVariables,
  ...startVariables,
  host: { name: 'HOST', default: '0.0.0.0', description: 'The address that the API listens on.', schema: host },
  port: { name: 'PORT', default: '8000', description: 'The port that the API listens on.', schema: port },
  ...storageVariables,
  ...payloadVariables,
  databaseUrl: {
    name: 'DATABASE_URL',
    description: 'The PostgreSQL of sessions and runs, and of the jobs where STORAGE does not choose Redis.',
    schema: postgresUrl,
    secret: true,
  },
  internalApiToken: {
    name: 'INTERNAL_API_TOKEN',
    description: 'What the executor manager proves itself with; the same value on both sides.',
    schema: headerToken,
    secret: true,
    leastBytes: leastTokenBytes,
  },
  clientToken: {
    name: 'CLIENT_TOKEN',
    default: '',
    description: 'What users and API clients prove themselves with. Needed unless HOST is a loopback address.',
    schema: headerToken,
    secret: true,
    leastBytes: leastTokenBytes,
  },
  corsOrigins: {
    name: 'CORS_ORIGINS',
    default: '["http://localhost:3000","http://127.0.0.1:3000"]',
    description: 'Web pages of these origins may call the API.',
    schema: origins,
  },
  secretKey: {
    name: 'SECRET_KEY',
    description:
      'Signs links and log-ins, and seals the secrets of users. Changing it makes links and log-ins invalid; secrets stay readable where the old key is in SECRET_KEY_PREVIOUS.',
    schema: text,
    secret: true,
    leastBytes: leastKeyBytes,
  },
  secretKeyPrevious: {
    name: 'SECRET_KEY_PREVIOUS',
    default: '',
    description:
      'The former SECRET_KEY, after a change. At the start the secrets that it has sealed are sealed anew with SECRET_KEY, which the log tells; then it can be taken out.',
    schema: text,
    secret: true,
  },
  singleUserId: {
    name: 'SINGLE_USER_ID',
    default: 'default',
    description: 'The user that everything belongs to while there is no log-in.',
    schema: identifier,
  },
  maxUploadSizeMb: {
    name: 'MAX_UPLOAD_SIZE_MB',
    default: '100',
    description: 'The largest upload, in megabytes.',
    schema: integer(1),
  },
  ...objectVariables,
  ...presignVariables,
  ...pageVariables,
  ...titleVariables,
  ...memoryVariables,
  backendPublicUrl: {
    name: 'BACKEND_PUBLIC_URL',
    default: { text: 'http://localhost:PORT', value: (env) => `http://localhost:${env.PORT || '8000'}` },
    description:
      'The address under which browsers reach this backend; presigned links start with it. Where it is set, links can be made with which somebody without an account answers an agent.',
    schema: httpUrl,
  },
  webhookUrl: {
    name: 'WEBHOOK_URL',
    default: '',
    description:
      'Who is told that an agent asks, is delayed, or has ended, where its message names nobody. Signed and sent by the orchestrator; empty: nobody.',
    schema: optionalHttpUrl,
  },
  webhookAllowPrivate: accessVariables.webhookAllowPrivate,
  ...modelVariables,
  ...budgetVariables,
  executorManagerUrl: {
    name: 'EXECUTOR_MANAGER_URL',
    default: '',
    description:
      'The address of an executor manager, whose rules GET /api/v1/schedules shows. Runs need none: managers ask for them.',
    schema: optionalHttpUrl,
  },
  sessionHeadStartMs: {
    name: 'SESSION_HEAD_START_MS',
    default: '2000',
    description:
      'For how many milliseconds a run is left to the manager that had its session’s last one, while that one has room; 0 gives it to whoever asks.',
    schema: integer(0, 60_000),
  },
  ...engineVariables,
  instanceId: {
    ...engineVariables.instanceId,
    // On one machine it is an instance beside the orchestrator.
    default: { text: 'hostname-backend', value: () => `${hostname()}-backend` },
  },
  ...workbenchLogVariables,
} satisfies VariableTable

export type BackendConfig = ConfigOf<typeof backendVariables>
