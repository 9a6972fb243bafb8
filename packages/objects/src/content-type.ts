import { ObjectStoreError } from './errors.ts'

/** Refuses a content type that would not fit, or that would break out of the header it is sent in. */
export function checkContentType(contentType: string): void {
  if (/^[\x21-\x7e][\x20-\x7e]{0,254}$/.test(contentType)) return
  throw new ObjectStoreError('INVALID_OPTION', 'A content type is 1 to 255 visible ASCII characters')
}
