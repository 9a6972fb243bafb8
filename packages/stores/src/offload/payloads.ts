/** Where payloads are kept: the part of an object store that the offload needs. `ObjectStore` of @tutti/objects fits. */
export interface Payloads {
  put(key: string, body: Uint8Array, options: { contentType: string; sha256: string }): Promise<unknown>
  /** Fails with an error whose `code` is NOT_FOUND or CORRUPT when the payload is lost for good. */
  get(key: string): Promise<{ stream: AsyncIterable<Uint8Array> }>
  /** In the order of keys, beginning behind `cursor`. */
  list(
    prefix: string,
    cursor?: string | null,
  ): Promise<{ objects: { key: string; modifiedAt: Date }[]; cursor: string | null }>
  delete(key: string): Promise<void>
}
