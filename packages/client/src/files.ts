/** Files of jobs. They go straight to object storage, past the orchestrator. */
import { type FilePage, type FileUpload, filePage, fileUpload, fileUploaded, type JobFile } from '@tutti/contracts'
import { pages } from './answers.ts'
import { type DownloadOptions, download } from './download.ts'
import { parseJson, refused, unreachable } from './errors.ts'
import type { Http } from './http.ts'

export type UploadBody = Blob | Uint8Array<ArrayBuffer> | string

export interface FilesApi {
  /** By name; pages are fetched as they are needed. */
  list(jobId: string): AsyncIterable<JobFile>
  /** An address to PUT a file to without a token, for as many seconds. */
  uploadAddress(jobId: string, name: string, options?: { expiresIn?: number | undefined }): Promise<FileUpload>
  /** Puts a file where the job finds it; one of that name is overwritten. */
  upload(jobId: string, name: string, body: UploadBody): Promise<void>
  /** The same through the orchestrator, for clients that can't reach object storage. Answers the file's `s3://` address. */
  uploadThrough(jobId: string, name: string, body: UploadBody): Promise<string>
  /** Writes a file of the job to the path `target`, where nothing stands before all of it is there. */
  download(jobId: string, name: string, target: string, options?: DownloadOptions): Promise<void>
}

export const createFiles = (http: Http, jobPath: (id: string, rest: string) => string): FilesApi => {
  const page = (jobId: string, cursor: string | undefined): Promise<FilePage> =>
    http.call({ method: 'GET', path: jobPath(jobId, '/files'), query: { cursor }, answer: filePage })
  const uploadAddress: FilesApi['uploadAddress'] = (jobId, name, { expiresIn } = {}) =>
    http.call({
      method: 'GET',
      path: jobPath(jobId, '/files/upload'),
      query: { filename: name, expires_in: expiresIn },
      answer: fileUpload,
    })
  return {
    list: (jobId) => pages((cursor) => page(jobId, cursor)),
    uploadAddress,
    upload: async (jobId, name, body) => {
      const { url } = await uploadAddress(jobId, name)
      await put(http, new URL(url, http.base), {}, body)
    },
    uploadThrough: async (jobId, name, body) => {
      const url = new URL(http.base + jobPath(jobId, `/files/content/${encodeURIComponent(name)}`))
      const headers = { ...http.headers, 'content-type': 'application/octet-stream' }
      return fileUploaded.parse(parseJson(await put(http, url, headers, body))).s3_uri
    },
    download: (jobId, name, target, options) => {
      const url = `${http.base}${jobPath(jobId, `/files/download/${encodeURIComponent(name)}`)}`
      return download(http, { url, headers: http.headers }, target, options)
    },
  }
}

/** Not tried again: what was lost on the way is for the caller to send anew. @returns what the server said */
const put = async (http: Http, url: URL, headers: Record<string, string>, body: UploadBody): Promise<string> => {
  const request = { method: 'PUT', url: url.origin + url.pathname }
  const response = await http.fetch(url, { method: 'PUT', headers, body }).catch((error: unknown) => {
    throw unreachable(request, error)
  })
  const text = await response.text()
  if (!response.ok) throw refused(request, response.status, text, undefined)
  return text
}
