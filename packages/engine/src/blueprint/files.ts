/** Files of a job, for its handlers: a folder of this machine, and the object storage behind it. */
import type { Json } from '@tutti/contracts'

export interface TaskFiles {
  /** Where a file of that name is, or is to be put, on this machine. The folder exists. */
  path(name: string): Promise<string>
  /** Fetches an object, by its address or its name among the job's. @returns the path on this machine */
  download(nameOrUri: string, localName?: string): Promise<string>
  /** Stores a local file among the job's objects. @returns its address, which tasks and other jobs can be given */
  upload(local: string, remote?: string): Promise<string>
  readText(name: string): Promise<string>
  readJson(name: string): Promise<Json>
  writeText(name: string, text: string): Promise<string>
  /** @returns the address when `upload` is set, else the path */
  writeJson(name: string, data: Json, options?: { upload?: boolean }): Promise<string>
  /** The uploaded files, in the order of names. */
  list(): Promise<{ name: string; size: number }[]>
}

/** What handlers are given where no files are configured: told at the first use, as most handlers never ask. */
export const noFiles: TaskFiles = new Proxy({} as TaskFiles, {
  get: (_, method) => {
    // Asked by `await` and by printing, of anything.
    if (method === 'then' || typeof method === 'symbol') return undefined
    return async () => {
      throw new Error(`files.${method}: this server has no place for files: set S3_ENDPOINT_URL or TASK_FILES_DIR`)
    }
  },
})
