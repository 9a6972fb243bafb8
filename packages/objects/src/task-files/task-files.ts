/**
 * Files of a job, for its handlers: a local folder beside the keys `jobs/<job id>/…` of object storage. What a task on
 * another machine shall see is uploaded; the local folder is gone when the job has ended, or when the machine is.
 */
import { createHash } from 'node:crypto'
import { text } from 'node:stream/consumers'
import type { Json } from '@tutti/contracts'
import { ObjectStoreError } from '../errors.ts'
import type { ObjectStore } from '../port.ts'
import { createLocalFiles } from './local-files.ts'
import { checkJobId, checkName, parseAddress } from './names.ts'

export interface TaskFilesOptions {
  objects: ObjectStore
  /** The name of its bucket in addresses; one of your choice where files lie in a local folder. */
  bucket: string
  /** TASK_FILES_DIR. */
  dir: string
  /** Buckets besides ours that handlers may use. An address of any other is refused. */
  otherBuckets?: Record<string, ObjectStore>
  /** Beginnings of keys in our bucket that every job may read: `datasets/`, say. */
  sharedPrefixes?: string[]
  /** Told of each operation when it is over; for the log of the job. Must not throw. */
  onOperation?: (operation: FileOperation) => void
}

export interface FileOperation {
  jobId: string
  operation: 'download' | 'upload' | 'list' | 'cleanup'
  uri: string
  /** Transferred. */
  bytes: number
  durationMs: number
  /** The code of what went wrong; null when nothing did. */
  error: string | null
}

export interface TaskFile {
  name: string
  size: number
  modifiedAt: Date
}

export interface TaskFiles {
  /** Where a file of this name lies or will lie on this machine; the folders above it are made. */
  path(name: string): Promise<string>
  /**
   * Fetches a file, or a directory (its name ends with `/`), by its name within the job or by its address. Answers the path.
   * It stands there whole and verified, or not at all.
   */
  download(nameOrUri: string, localName?: string): Promise<string>
  /** Sends a file or directory of the local folder, and answers its address; a directory's ends with `/`. */
  upload(local: string, remote?: string): Promise<string>
  /** What this object wrote itself, else the uploaded file, else the local one. */
  readText(nameOrUri: string): Promise<string>
  readJson(nameOrUri: string): Promise<Json>
  /** Writes the local file only; answers its path. */
  writeText(name: string, content: string): Promise<string>
  /** Writes the file and uploads it; answers its address, or with `upload: false` its `file://` one. */
  writeJson(name: string, data: Json, options?: { upload?: boolean }): Promise<string>
  /** The uploaded files, in the order of names. */
  list(): Promise<TaskFile[]>
  /** Removes the local folder, and with `remote` the uploaded files. Only for a job that has ended: a retry needs them. */
  cleanup(options: { remote: boolean }): Promise<void>
}

export const jobPrefix = (jobId: string): string => `jobs/${checkJobId(jobId)}/`

/** @param related other jobs whose files this one may read: its parent, its children */
export function createTaskFiles(options: TaskFilesOptions, jobId: string, related: string[] = []): TaskFiles {
  const { objects, bucket, dir, otherBuckets = {}, sharedPrefixes = [], onOperation } = options
  const prefix = jobPrefix(jobId)
  const readable = [prefix, ...related.map(jobPrefix), ...sharedPrefixes]
  const local = createLocalFiles(dir, jobId)
  /** Written here and perhaps not uploaded: then the local file is the newer one. */
  const written = new Set<string>()

  interface Place {
    store: ObjectStore
    bucket: string
    key: string
    directory: boolean
    /** Its name within the job; null outside. */
    name: string | null
  }

  const locate = (nameOrUri: string, use: 'read' | 'write'): Place => {
    const address = parseAddress(nameOrUri)
    if (address === null) {
      const directory = nameOrUri.endsWith('/')
      const name = checkName(directory ? nameOrUri.slice(0, -1) : nameOrUri)
      return { store: objects, bucket, key: prefix + name, directory, name }
    }
    if (address.bucket !== bucket) {
      const store = Object.hasOwn(otherBuckets, address.bucket) ? otherBuckets[address.bucket] : undefined
      if (!store) throw denied(`${nameOrUri}: the bucket ${address.bucket} is not among those that may be used`)
      return { store, ...address, name: null }
    }
    const full = address.directory ? `${address.key}/` : address.key
    // An address may come from whoever wrote the job's input: it must not open another client's files.
    if (!(use === 'write' ? [prefix] : readable).some((allowed) => full.startsWith(allowed))) {
      throw denied(`${nameOrUri} is not a file of this job`)
    }
    const name = full.startsWith(prefix) ? address.key.slice(prefix.length) : null
    return { store: objects, ...address, name }
  }

  const uriOf = (place: Pick<Place, 'bucket' | 'key' | 'directory'>): string =>
    `s3://${place.bucket}/${place.key}${place.directory ? '/' : ''}`

  async function told<T>(
    operation: FileOperation['operation'],
    uri: string,
    work: (count: (bytes: number) => void) => Promise<T>,
  ): Promise<T> {
    const begun = performance.now()
    let bytes = 0
    const tell = (error: string | null) =>
      onOperation?.({ jobId, operation, uri, bytes, durationMs: Math.round(performance.now() - begun), error })
    try {
      const result = await work((more) => {
        bytes += more
      })
      tell(null)
      return result
    } catch (error) {
      tell(error instanceof ObjectStoreError ? error.code : 'INTERNAL')
      throw error
    }
  }

  async function fetchFile(store: ObjectStore, key: string, name: string, count: (bytes: number) => void) {
    const { stream, size } = await store.get(key)
    const path = await local.write(name, stream)
    written.delete(name)
    count(size)
    return path
  }

  async function fetchDirectory(place: Place, name: string, count: (bytes: number) => void): Promise<string> {
    const from = place.key === '' ? '' : `${place.key}/`
    let found = 0
    for await (const { key } of everything(place.store, from)) {
      await fetchFile(place.store, key, `${name}/${key.slice(from.length)}`, count)
      found += 1
    }
    if (found === 0) throw new ObjectStoreError('NOT_FOUND', `There is nothing at ${uriOf(place)}`)
    return local.path(name)
  }

  const sendFile = async (place: Place, key: string, name: string, count: (bytes: number) => void): Promise<void> => {
    const file = await local.open(name)
    if (!file) throw new ObjectStoreError('NOT_FOUND', `There is no local file ${JSON.stringify(name)}`)
    const { size } = await place.store.put(key, file.stream).finally(() => file.stream.destroy())
    written.delete(name)
    count(size)
  }

  const files: TaskFiles = {
    path: local.path,

    async download(nameOrUri, localName) {
      const place = locate(nameOrUri, 'read')
      const name = localName ?? place.name ?? foreignName(uriOf(place))
      return told('download', uriOf(place), (count) =>
        place.directory
          ? fetchDirectory(place, checkName(name.replace(/\/$/, '')), count)
          : fetchFile(place.store, place.key, checkName(name), count),
      )
    },

    async upload(from, to) {
      const name = await local.nameOf(from)
      const directory = await local.isDirectory(name)
      const place = locate(to ?? name, 'write')
      if (directory) place.directory = true
      // Into a directory, under its own name.
      else if (place.directory) {
        place.key = [place.key, name.slice(name.lastIndexOf('/') + 1)].filter((part) => part !== '').join('/')
        place.directory = false
      }
      const uri = uriOf(place)
      return told('upload', uri, async (count) => {
        if (!directory) await sendFile(place, place.key, name, count)
        else
          for (const each of await local.walk(name))
            await sendFile(place, place.key + each.slice(name.length), each, count)
        return uri
      })
    },

    async readText(nameOrUri) {
      const { name } = locate(nameOrUri, 'read')
      if (name === null || !written.has(name)) {
        try {
          await files.download(nameOrUri)
        } catch (error) {
          if (name === null || !(error instanceof ObjectStoreError) || error.code !== 'NOT_FOUND') throw error
        }
      }
      const file = await local.open(name ?? foreignName(nameOrUri))
      if (!file) throw new ObjectStoreError('NOT_FOUND', `There is no file ${JSON.stringify(nameOrUri)}`)
      return text(file.stream)
    },

    readJson: async (nameOrUri) => JSON.parse(await files.readText(nameOrUri)) as Json,

    async writeText(name, content) {
      const path = await local.write(name, content)
      written.add(checkName(name))
      return path
    },

    async writeJson(name, data, { upload = true } = {}) {
      const path = await files.writeText(name, JSON.stringify(data))
      return upload ? files.upload(name) : `file://${path}`
    },

    list: () =>
      told('list', `s3://${bucket}/${prefix}`, async () => {
        const found: TaskFile[] = []
        for await (const { key, size, modifiedAt } of everything(objects, prefix)) {
          found.push({ name: key.slice(prefix.length), size, modifiedAt })
        }
        return found
      }),

    cleanup: ({ remote }) =>
      told('cleanup', `s3://${bucket}/${prefix}`, async () => {
        await local.remove()
        written.clear()
        if (remote) await objects.deletePrefix(prefix)
      }),
  }
  return files
}

async function* everything(store: ObjectStore, prefix: string) {
  let cursor: string | null = null
  do {
    const page = await store.list(prefix, cursor)
    yield* page.objects
    cursor = page.cursor
  } while (cursor !== null)
}

/** Two files of other places may have the same last segment: each lands in a folder of its own. */
function foreignName(uri: string): string {
  const plain = uri.replace(/\/$/, '')
  return `.from/${createHash('sha256').update(uri).digest('hex').slice(0, 16)}/${plain.slice(plain.lastIndexOf('/') + 1)}`
}

const denied = (message: string): ObjectStoreError => new ObjectStoreError('ACCESS_DENIED', message)
