/** What an export consists of, as it stands in object storage beside the files. */
import { text } from 'node:stream/consumers'
import { type ExportedFile, exportReport } from '@tutti/contracts'
import { type ObjectStore, ObjectStoreError } from '@tutti/objects'

export interface ManifestEntry extends ExportedFile {
  mimeType: string
  status: 'uploaded'
  last_modified: string
}

export interface Manifest {
  version: 1
  generated_at: string
  run_id: string
  files: ManifestEntry[]
}

/** The newest manifest of a session. Only a hint of what need not be uploaded again: what it names never changes. */
export const newestManifestKey = (sessionPrefix: string): string => `${sessionPrefix}/manifest.json`

const entries = exportReport.options[0].shape.files

/** The files of the session's last export by path; none where there was no export, or where it can't be read. */
export const readNewest = async (
  objects: Pick<ObjectStore, 'get'>,
  sessionPrefix: string,
): Promise<Map<string, ExportedFile>> => {
  try {
    const { stream } = await objects.get(newestManifestKey(sessionPrefix))
    const value: unknown = JSON.parse(await text(stream))
    const files = typeof value === 'object' && value !== null && 'files' in value ? entries.parse(value.files) : []
    // A key of another session here would be handed to this session’s readers.
    return new Map(files.filter(({ key }) => key.startsWith(`${sessionPrefix}/`)).map((file) => [file.path, file]))
  } catch (error) {
    if (error instanceof ObjectStoreError && error.code !== 'NOT_FOUND' && error.code !== 'CORRUPT') throw error
    if (error instanceof ObjectStoreError || error instanceof SyntaxError || isZodError(error)) return new Map()
    throw error
  }
}

const isZodError = (error: unknown): boolean => error instanceof Error && error.name.endsWith('ZodError')
