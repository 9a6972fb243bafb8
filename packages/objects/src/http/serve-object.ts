import type { ObjectContent, ObjectInfo, ObjectStore } from '../port.ts'
import { attachment } from './disposition.ts'
import { matchesTag, readRange } from './range.ts'
import { faultResponse, headerOf, type ObjectRequest, type ObjectResponse } from './response.ts'

export interface ServedObject {
  /** Somebody has already decided that the caller may read this key. */
  key: string
  /** The name to save it under; by default the key's last segment. */
  filename?: string | null
}

/** Answers a GET or HEAD with the object: ranges, conditional requests, always as a download. */
export async function serveObject(
  store: Pick<ObjectStore, 'get' | 'head'>,
  { key, filename }: ServedObject,
  request: Pick<ObjectRequest, 'method' | 'headers'>,
): Promise<ObjectResponse> {
  const info = await store.head(key)
  if (info === null) return faultResponse('FILE_NOT_FOUND', 'There is no such file')
  const etag = `"${info.etag}"`
  const headers = headersOf(info, etag, filename ?? key.slice(key.lastIndexOf('/') + 1))
  if (matchesTag(headerOf(request, 'if-none-match'), etag)) return { status: 304, headers, body: null, fault: null }
  const whole = { ...headers, 'content-length': String(info.size) }
  if (request.method === 'HEAD') return { status: 200, headers: whole, body: null, fault: null }

  const range = wantedRange(request, info, etag)
  if (range === 'unsatisfiable') {
    const actual = { 'content-range': `bytes */${info.size}` }
    return faultResponse('RANGE_NOT_SATISFIABLE', `The file has ${info.size} bytes`, actual)
  }
  const content = await getSame(store, info, range)
  if (content === null) return serveObject(store, { key, filename: filename ?? null }, request)
  if (content.range === null) return { status: 200, headers: whole, body: content.stream, fault: null }
  const { start, end } = content.range
  const partial = {
    ...headers,
    'content-length': String(end - start + 1),
    'content-range': `bytes ${start}-${end}/${info.size}`,
  }
  return { status: 206, headers: partial, body: content.stream, fault: null }
}

function headersOf(info: ObjectInfo, etag: string, filename: string): Record<string, string> {
  return {
    'content-type': info.contentType,
    'content-disposition': attachment(filename),
    'content-security-policy': "default-src 'none'; sandbox",
    'x-content-type-options': 'nosniff',
    'cache-control': 'private, no-cache',
    'accept-ranges': 'bytes',
    'last-modified': info.modifiedAt.toUTCString(),
    etag,
  }
}

function wantedRange(request: Pick<ObjectRequest, 'headers'>, info: ObjectInfo, etag: string) {
  const condition = headerOf(request, 'if-range')
  if (condition !== undefined && condition !== etag) return null
  return readRange(headerOf(request, 'range'), info.size)
}

/** `null` when the object was replaced since `info` was read: a range of the new content is not the range asked for. */
async function getSame(
  store: Pick<ObjectStore, 'get'>,
  info: ObjectInfo,
  range: { start: number; end: number } | null,
): Promise<ObjectContent | null> {
  const content = await store.get(info.key, range === null ? {} : { range }).catch(changedAsNull)
  if (content === null || content.etag === info.etag) return content
  content.stream.destroy()
  return null
}

function changedAsNull(error: unknown): null {
  const code = error instanceof Error && 'code' in error ? error.code : null
  if (code === 'NOT_FOUND' || code === 'RANGE_NOT_SATISFIABLE') return null
  throw error
}
