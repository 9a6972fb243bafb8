/** What is kept beside the jobs, and for how long: history, large payloads, traces. */
import { flag, folder, historyUri, integer, keyFolders, optionalHttpUrl, text } from '../../variables/schemas.ts'
import type { VariableTable } from '../../variables/variable.ts'

export const archiveVariables = {
  historyDatabaseUri: {
    name: 'HISTORY_DATABASE_URI',
    default: '',
    description:
      'The archive that every job’s log is copied to, so that it outlives the job. Empty: none. sqlite:///var/lib/history.db is an absolute path, sqlite:history.db a relative one.',
    schema: historyUri,
    secret: true,
  },
  historyRetentionDays: {
    name: 'HISTORY_RETENTION_DAYS',
    default: '0',
    description: 'Days after which the archive forgets; 0 keeps everything.',
    schema: integer(0, 36_500),
  },
  jobRetentionDays: {
    name: 'JOB_RETENTION_DAYS',
    default: '0',
    description: 'Days after its end at which a job is removed from the store; 0 keeps all.',
    schema: integer(0, 36_500),
  },
  s3EndpointUrl: {
    name: 'S3_ENDPOINT_URL',
    default: '',
    description: 'The S3-compatible storage of large payloads and of jobs’ files. Empty: none.',
    schema: optionalHttpUrl,
  },
  s3AccessKey: {
    name: 'S3_ACCESS_KEY',
    default: '',
    description: 'Its access key id.',
    schema: text,
    secret: true,
  },
  s3SecretKey: {
    name: 'S3_SECRET_KEY',
    default: '',
    description: 'Its secret access key.',
    schema: text,
    secret: true,
  },
  s3DefaultBucket: {
    name: 'S3_DEFAULT_BUCKET',
    default: 'avtomatika-payloads',
    description: 'The bucket of payloads and files.',
    schema: text,
  },
  s3Region: {
    name: 'S3_REGION',
    default: 'us-east-1',
    description: 'Its region.',
    schema: text,
  },
  s3MaxConcurrency: {
    name: 'S3_MAX_CONCURRENCY',
    default: '100',
    description: 'Connections to it at a time, over all jobs of an instance.',
    schema: integer(1, 10_000),
  },
  s3AutoCleanup: {
    name: 'S3_AUTO_CLEANUP',
    default: 'true',
    description: 'Whether a job’s files are removed from it when the job has ended.',
    schema: flag,
  },
  s3SharedPrefixes: {
    name: 'S3_SHARED_PREFIXES',
    default: '',
    description:
      'Folders of the storage whose files the jobs of every client may read, such as datasets/; commas between.',
    schema: keyFolders,
  },
  payloadOffloadBytes: {
    name: 'PAYLOAD_OFFLOAD_BYTES',
    default: '262144',
    description: 'A payload larger than this goes to S3, and the job holds its address; 0 keeps all in the store.',
    schema: integer(0),
  },
  taskFilesDir: {
    name: 'TASK_FILES_DIR',
    default: '/tmp/avtomatika-payloads',
    description: 'Folder of jobs’ files while handlers work on them.',
    schema: folder,
  },
  otelExporterOtlpEndpoint: {
    name: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    default: '',
    description: 'Where traces are sent (OTLP over HTTP). Empty: nowhere.',
    schema: optionalHttpUrl,
  },
} satisfies VariableTable
