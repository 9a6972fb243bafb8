/** What is kept beside the jobs, and for how long: history, large payloads, traces. */
import { flag, folder, historyUri, integer, keyFolders, optionalHttpUrl } from '../../variables/schemas.ts'
import type { VariableTable } from '../../variables/variable.ts'
import { payloadVariables } from '../payloads.ts'

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
  ...payloadVariables,
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
