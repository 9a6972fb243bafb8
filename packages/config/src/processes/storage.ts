/** Where jobs are kept. */
import { choice, flag, host, integer, keyPrefix, port, postgresUrl, redisUrl, text } from '../variables/schemas.ts'
import type { VariableTable } from '../variables/variable.ts'

export const storageVariables = {
  storage: {
    name: 'STORAGE',
    default: '',
    description:
      'Where jobs are kept. Empty: in Redis where REDIS_HOST or REDIS_URL is set, else in the PostgreSQL of DATABASE_URL. memory forgets everything at a restart.',
    schema: choice(['', 'memory', 'postgres', 'redis']),
  },
  databaseUrl: {
    name: 'DATABASE_URL',
    default: '',
    description: 'The PostgreSQL that keeps the jobs. `tutti up` sets it to the built-in one where it is empty.',
    schema: postgresUrl,
    aliases: ['POSTGRES_DSN'],
    secret: true,
  },
  redisHost: {
    name: 'REDIS_HOST',
    default: '',
    description: 'Host of the Redis that keeps the jobs.',
    schema: host,
  },
  redisPort: {
    name: 'REDIS_PORT',
    default: '6379',
    description: 'Port of that Redis.',
    schema: port,
  },
  redisDb: {
    name: 'REDIS_DB',
    default: '0',
    description: 'Index of its database; a cluster has only 0.',
    schema: integer(0, 65_535),
  },
  redisUsername: {
    name: 'REDIS_USERNAME',
    default: '',
    description: 'Its user, where it has users.',
    schema: text,
  },
  redisPassword: {
    name: 'REDIS_PASSWORD',
    default: '',
    description: 'Its password.',
    schema: text,
    secret: true,
  },
  redisTls: {
    name: 'REDIS_TLS',
    default: 'false',
    description: 'Whether the connection to it is encrypted.',
    schema: flag,
  },
  redisUrl: {
    name: 'REDIS_URL',
    default: '',
    description: 'All of this in one address, instead of the variables above.',
    schema: redisUrl,
    secret: true,
  },
  redisCluster: {
    name: 'REDIS_CLUSTER',
    default: 'false',
    description: 'Whether that is one node of a Redis Cluster, which tells of the others.',
    schema: flag,
  },
  redisPrefix: {
    name: 'REDIS_PREFIX',
    default: 'tutti',
    description: 'What all keys begin with; installations that share a Redis need different ones.',
    schema: keyPrefix,
  },
} satisfies VariableTable
