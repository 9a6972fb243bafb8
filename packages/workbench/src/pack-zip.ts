import { Readable } from 'node:stream'
import { ZipFile } from 'yazl'

export interface PackedFile {
  /** In the zip. */
  path: string
  /** Permissions. */
  mode: number
  mtime: Date
  /** Called when its turn comes: one content is open at a time. */
  open(): Promise<Readable>
}

/**
 * A zip, as it is made. It fails with the first content that can't be opened or read to its end; and whoever gives it up early closes
 * the content that is open.
 * @param isReproducible the same files make the same bytes, whatever the time zone of the host
 */
export const packZip = (files: readonly PackedFile[], { isReproducible = false } = {}): Readable => {
  const zip = new ZipFile()
  const output = zip.outputStream as Readable
  const fail = (error: unknown): void => {
    output.destroy(error instanceof Error ? error : new Error(String(error)))
  }
  let content: Readable | undefined
  zip.on('error', fail)
  output.once('close', () => content?.destroy())
  for (const { path, mode, mtime, open } of files)
    zip.addReadStreamLazy(path, { mode: 0o100000 | mode, mtime, forceDosTimestamp: isReproducible }, (opened) => {
      open().then(
        (stream) => {
          content = stream
          // The packer listens to no errors of what it packs: unheard, one broken read would end the process.
          stream.on('error', fail)
          if (output.destroyed) stream.destroy()
          else opened(null, stream)
        },
        (error: unknown) => opened(error, Readable.from([])),
      )
    })
  zip.end()
  return output
}
