/** Who is let in, and how they prove themselves. */
import { choice, flag, headerToken, signingKey, text } from '../../variables/schemas.ts'
import type { VariableTable } from '../../variables/variable.ts'

export const accessVariables = {
  clientToken: {
    name: 'CLIENT_TOKEN',
    default: 'secure-orchestrator-token',
    description: 'The one token of API clients; counts only while CLIENTS_CONFIG_PATH is empty.',
    schema: headerToken,
    secret: true,
  },
  globalWorkerToken: {
    name: 'GLOBAL_WORKER_TOKEN',
    default: 'secure-worker-token',
    description: 'The token of workers that have no token of their own in workers.toml.',
    schema: headerToken,
    secret: true,
  },
  clientsConfigPath: {
    name: 'CLIENTS_CONFIG_PATH',
    default: '',
    description: 'Path of clients.toml.',
    schema: text,
  },
  workersConfigPath: {
    name: 'WORKERS_CONFIG_PATH',
    default: '',
    description: 'Path of workers.toml.',
    schema: text,
  },
  schedulesConfigPath: {
    name: 'SCHEDULES_CONFIG_PATH',
    default: '',
    description: 'Path of schedules.toml.',
    schema: text,
  },
  reloadWithAnyClient: {
    name: 'RELOAD_WITH_ANY_CLIENT',
    default: 'false',
    description: 'Whether every client may reload these files. Off, it takes a token with the role operator.',
    schema: flag,
  },
  workerAuthMode: {
    name: 'WORKER_AUTH_MODE',
    default: 'mixed',
    description: 'How workers prove themselves: by certificate or token, by certificate, or by token.',
    schema: choice(['mixed', 'mtls-only', 'token-only']),
  },
  workerSignatures: {
    name: 'WORKER_SIGNATURES',
    default: 'off',
    description:
      'Whether workers sign their messages (HMAC) with their token. Only then tokens are kept in memory; else their hashes alone are.',
    schema: choice(['off', 'optional', 'required']),
  },
  signingKey: {
    name: 'SIGNING_KEY',
    default: '',
    description: 'Signs webhooks and links for approvals. Empty: one is made at the first start and kept in the store.',
    schema: signingKey,
    secret: true,
  },
  metricsToken: {
    name: 'METRICS_TOKEN',
    default: '',
    description: 'Bearer token that /_public/metrics wants; empty lets everybody read them.',
    schema: headerToken,
    secret: true,
  },
  webhookAllowPrivate: {
    name: 'WEBHOOK_ALLOW_PRIVATE',
    default: 'false',
    description: 'Whether webhooks may go to private addresses. Off, a client can’t reach into this network.',
    schema: flag,
  },
} satisfies VariableTable
