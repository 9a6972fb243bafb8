/** Where the server listens, and what it answers to whom. */
import { flag, host, integer, optionalHttpUrl, pathPrefix, port, seconds, text } from '../../variables/schemas.ts'
import type { VariableTable } from '../../variables/variable.ts'

export const serverVariables = {
  apiHost: {
    name: 'API_HOST',
    default: '0.0.0.0',
    description: 'The address that the API listens on.',
    schema: host,
  },
  apiPort: {
    name: 'API_PORT',
    default: '8080',
    description: 'The port that the API listens on.',
    schema: port,
  },
  publicUrl: {
    name: 'PUBLIC_URL',
    default: {
      text: 'http://localhost:API_PORT, or https with TLS_ENABLED',
      value: (env) =>
        `http${env.TLS_ENABLED && flag.safeParse(env.TLS_ENABLED).data ? 's' : ''}://localhost:${env.API_PORT || '8080'}`,
    },
    description:
      'The address under which people and workers reach this server; links for approvals, and without S3 those of jobs’ files, start with it.',
    schema: optionalHttpUrl,
  },
  enableClientApi: {
    name: 'ENABLE_CLIENT_API',
    default: 'true',
    description: 'Off: only workers and /_public are answered here, and clients elsewhere.',
    schema: flag,
  },
  clientApiPrefix: {
    name: 'CLIENT_API_PREFIX',
    default: 'api',
    description: 'The path below which the client API is; its version follows, as in /api/v1.',
    schema: pathPrefix,
  },
  detailedApiResponses: {
    name: 'DETAILED_API_RESPONSES',
    default: 'true',
    description: 'Off: a job is answered with its id, status, blueprint and result alone.',
    schema: flag,
  },
  rateLimitingEnabled: {
    name: 'RATE_LIMITING_ENABLED',
    default: 'true',
    description:
      'Whether the limits of the next four variables hold, in each instance by itself; beyond them the answer is 429 with Retry-After. The defaults stop what runs wild and no work: results, and polls that bring a task, are never limited. A client’s own rate_limit in clients.toml holds in any case.',
    schema: flag,
  },
  rateLimitLimit: {
    name: 'RATE_LIMIT_LIMIT',
    default: '6000',
    description:
      'Requests of one client in RATE_LIMIT_PERIOD, where clients.toml gives it no rate_limit of its own; operators have no limit. Also the registrations of one worker, and its events.',
    schema: integer(1),
  },
  rateLimitPeriod: {
    name: 'RATE_LIMIT_PERIOD',
    default: '60',
    description: 'Seconds in which the limits count. A full allowance may be used at once; it fills again evenly.',
    schema: seconds,
  },
  rateLimitHeartbeatLimit: {
    name: 'RATE_LIMIT_HEARTBEAT_LIMIT',
    default: '600',
    description: 'Heartbeats of one worker in RATE_LIMIT_PERIOD.',
    schema: integer(1),
  },
  rateLimitPollLimit: {
    name: 'RATE_LIMIT_POLL_LIMIT',
    default: '600',
    description: 'Polls of one worker in RATE_LIMIT_PERIOD that bring no task.',
    schema: integer(1),
  },
  tlsEnabled: {
    name: 'TLS_ENABLED',
    default: 'false',
    description: 'Whether the server speaks HTTPS itself. It needs TLS_CERT_PATH and TLS_KEY_PATH.',
    schema: flag,
  },
  tlsCertPath: {
    name: 'TLS_CERT_PATH',
    default: '',
    description: 'File of the certificate and its chain, PEM.',
    schema: text,
  },
  tlsKeyPath: {
    name: 'TLS_KEY_PATH',
    default: '',
    description: 'File of the certificate’s private key, PEM.',
    schema: text,
  },
  tlsCaPath: {
    name: 'TLS_CA_PATH',
    default: '',
    description: 'File of the authorities that sign clients’ and workers’ certificates, PEM.',
    schema: text,
  },
  tlsRequireClientCert: {
    name: 'TLS_REQUIRE_CLIENT_CERT',
    default: 'false',
    description: 'Whether a connection without a certificate of TLS_CA_PATH is refused.',
    schema: flag,
  },
} satisfies VariableTable
