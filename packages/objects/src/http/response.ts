import type { Readable } from 'node:stream'

/** A request as every HTTP server can give it. Header names are in lower case. */
export interface ObjectRequest {
  method: string
  /** Path and query; the host may be missing. */
  url: string
  headers: Readonly<Record<string, string | string[] | undefined>>
  /** Of a PUT. */
  body?: Readable | null
}

export interface ObjectResponse {
  status: number
  headers: Record<string, string>
  /** Send it to its end or destroy it; `null` is an empty body. */
  body: Readable | null
  /** What went wrong, for the server to put into its own form of error. */
  fault: ObjectFault | null
}

export interface ObjectFault {
  code:
    | 'FORBIDDEN'
    | 'LINK_EXPIRED'
    | 'FILE_NOT_FOUND'
    | 'METHOD_NOT_ALLOWED'
    | 'INVALID_REQUEST'
    | 'PAYLOAD_TOO_LARGE'
    | 'RANGE_NOT_SATISFIABLE'
    | 'NO_SPACE'
  message: string
}

const statusOf: Record<ObjectFault['code'], number> = {
  INVALID_REQUEST: 400,
  FORBIDDEN: 403,
  LINK_EXPIRED: 403,
  FILE_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  PAYLOAD_TOO_LARGE: 413,
  RANGE_NOT_SATISFIABLE: 416,
  NO_SPACE: 507,
}

export function faultResponse(
  code: ObjectFault['code'],
  message: string,
  headers: Record<string, string> = {},
): ObjectResponse {
  return { status: statusOf[code], headers, body: null, fault: { code, message } }
}

/** The value of a header that has one value. */
export function headerOf(request: Pick<ObjectRequest, 'headers'>, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}
