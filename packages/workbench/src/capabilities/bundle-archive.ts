/**
 * The files of a skill or plugin, read from what somebody sent and packed anew: every name is checked, every size bounded, and nothing
 * of the archive that came (links, modes, comments, times) is in the one that is kept. The same files always make the same archive.
 */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { type BundleFile, type BundleFileContent, TuttiError } from '@tutti/contracts'
import { type Entry, openPromise } from 'yauzl'
import { packZip } from '../pack-zip.ts'

export interface BundleLimits {
  files: number
  /** Unpacked, all together. */
  bytes: number
}

export const bundleLimits: BundleLimits = { files: 5_000, bytes: 500_000_000 }

export interface PackedBundle {
  /** The archive, in a folder that is gone when `use` has ended. */
  path: string
  sha256: string
  files: BundleFile[]
  /** Unpacked. */
  size: number
  /** The text of a file, undefined where there is none; not for large ones. */
  text(path: string): Promise<string | undefined>
}

export type BundleSource =
  | { kind: 'manual'; files: readonly BundleFileContent[] }
  | { kind: 'zip'; open: () => Promise<Readable> }

/** Told with each fault: the field of the request that the files came in. */
const fieldOf = { manual: 'body.files', zip: 'body.attachment' } as const

interface Member {
  path: string
  size: number
  executable: boolean
  open: () => Promise<Readable>
}

/**
 * @param marker the file that makes it a bundle; where it lies in the one folder that all files lie in, that is taken off
 * @throws TuttiError INVALID_BODY for files that are refused; PAYLOAD_TOO_LARGE for too many
 */
export const withPackedBundle = async <T>(
  source: BundleSource,
  marker: string,
  use: (bundle: PackedBundle) => Promise<T>,
  limits: BundleLimits = bundleLimits,
): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'tutti-bundle-'))
  const closing: (() => void)[] = []
  try {
    const given =
      source.kind === 'manual'
        ? source.files.map(memberOf)
        : await membersOfZip(await source.open(), join(folder, 'given.zip'), limits, closing)
    const members = checked(given, marker, fieldOf[source.kind], limits)
    const path = join(folder, 'kept.zip')
    const files = await pack(members, path)
    const size = files.reduce((sum, file) => sum + file.size, 0)
    const text = async (name: string): Promise<string | undefined> => {
      const member = members.find((each) => each.path === name)
      if (member === undefined) return undefined
      if (member.size > 1_000_000) throw refused(fieldOf[source.kind], `${name} is larger than 1 MB`)
      return (await buffer(await member.open())).toString('utf8')
    }
    return await use({ path, sha256: await hashOf(path), files, size, text })
  } catch (error) {
    if (error instanceof TuttiError || source.kind === 'manual') throw error
    // What the reader of archives finds wrong with one, and what inflating it does: the request's fault, told in its words.
    if (isArchiveFault(error)) throw refused(fieldOf.zip, `the archive can’t be read: ${(error as Error).message}`)
    throw error
  } finally {
    for (const close of closing) close()
    await rm(folder, { recursive: true, force: true })
  }
}

const memberOf = (file: BundleFileContent): Member => {
  const bytes = 'content' in file ? Buffer.from(file.content) : Buffer.from(file.base64, 'base64')
  return {
    path: file.path,
    size: bytes.length,
    executable: file.executable ?? false,
    open: async () => Readable.from([bytes]),
  }
}

const membersOfZip = async (
  content: Readable,
  path: string,
  limits: BundleLimits,
  closing: (() => void)[],
): Promise<Member[]> => {
  await pipeline(content, createWriteStream(path, { flags: 'wx', mode: 0o600 }))
  // Names with a backslash, absolute ones and those that lead out are refused by the reader.
  const zip = await openPromise(path, { autoClose: false, strictFileNames: true })
  closing.push(() => zip.close())
  const members: Member[] = []
  let bytes = 0
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName.endsWith('/') || isLitter(entry.fileName)) continue
    checkEntry(entry)
    // The reader ends a file that holds more than it declares: so the sum of what is declared bounds what is unpacked.
    bytes += entry.uncompressedSize
    if (members.length >= limits.files || bytes > limits.bytes) throw tooLarge(fieldOf.zip, limits)
    members.push({
      path: entry.fileName,
      size: entry.uncompressedSize,
      executable: ((entry.externalFileAttributes >>> 16) & 0o111) !== 0,
      open: () => zip.openReadStreamPromise(entry),
    })
  }
  return members
}

/** What file managers leave in archives. */
const isLitter = (name: string): boolean => name.startsWith('__MACOSX/') || /(?:^|\/)\.DS_Store$/.test(name)

const checkEntry = (entry: Entry): void => {
  const type = (entry.externalFileAttributes >>> 16) & 0o170000
  if (type !== 0 && type !== 0o100000)
    throw refused(fieldOf.zip, `${JSON.stringify(entry.fileName)} is a link or something else that is no file`)
  if (!entry.canDecodeFileData())
    throw refused(fieldOf.zip, 'the archive is encrypted or packed in a way that can’t be read')
}

const checked = (given: Member[], marker: string, field: string, limits: BundleLimits): Member[] => {
  const bytes = given.reduce((sum, { size }) => sum + size, 0)
  if (given.length > limits.files || bytes > limits.bytes) throw tooLarge(field, limits)
  const named = given.map((member) => ({ ...member, path: pathOf(member.path, field) }))
  const members = withoutCommonFolder(named, marker)
  const paths = new Set(members.map(({ path }) => path))
  if (paths.size < members.length) throw refused(field, 'two of the files have the same path')
  for (const path of paths) {
    const parts = path.split('/')
    const folders = parts.slice(0, -1).map((_, at) => parts.slice(0, at + 1).join('/'))
    const both = folders.find((folder) => paths.has(folder))
    if (both !== undefined) throw refused(field, `${JSON.stringify(both)} is both a file and a folder`)
  }
  if (!paths.has(marker)) throw refused(field, `there is no ${marker}`)
  return members.sort((a, b) => (a.path < b.path ? -1 : 1))
}

const pathOf = (given: string, field: string): string => {
  const shown = JSON.stringify(given.slice(0, 200))
  const parts = given.split('/')
  if (given.startsWith('/') || parts.includes('..')) throw refused(field, `the path ${shown} leads out of the folder`)
  if (parts.includes('') || parts.includes('.') || /[\p{Cc}\\]/u.test(given) || !given.isWellFormed())
    throw refused(field, `${shown} is no path of a file`)
  if (parts.some((part) => Buffer.byteLength(part) > 255)) throw refused(field, `the path ${shown} has too long a name`)
  return given
}

const withoutCommonFolder = (members: Member[], marker: string): Member[] => {
  if (members.some(({ path }) => path === marker)) return members
  const inner = members.find(
    ({ path }) => path.endsWith(`/${marker}`) && !path.slice(0, -marker.length - 1).includes('/'),
  )
  const prefix = inner?.path.slice(0, -marker.length)
  if (prefix === undefined || !members.every(({ path }) => path.startsWith(prefix))) return members
  return members.map((member) => ({ ...member, path: member.path.slice(prefix.length) }))
}

/** Any fixed instant: with times of their own, the same files would make another archive each time. */
const mtime = new Date('2000-01-01T00:00:00Z')

const pack = async (members: readonly Member[], path: string): Promise<BundleFile[]> => {
  const files: BundleFile[] = []
  const zip = packZip(
    members.map(({ path: name, executable, open }) => ({
      ...{ path: name, mode: executable ? 0o755 : 0o644, mtime },
      open: async () => {
        const content = await open()
        const hash = createHash('sha256')
        let size = 0
        const counted = async function* (): AsyncGenerator<Buffer> {
          for await (const chunk of content as AsyncIterable<Buffer>) {
            hash.update(chunk)
            size += chunk.length
            yield chunk
          }
          files.push({ path: name, size, sha256: hash.digest('hex'), executable })
        }
        return Readable.from(counted())
      },
    })),
    { isReproducible: true },
  )
  await pipeline(zip, createWriteStream(path, { flags: 'wx', mode: 0o600 }))
  return files
}

const hashOf = async (path: string): Promise<string> => {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  return hash.digest('hex')
}

const refused = (field: string, why: string): TuttiError =>
  new TuttiError('INVALID_BODY', `${field}: ${why}`, { path: field })

const tooLarge = (field: string, { files, bytes }: BundleLimits): TuttiError =>
  new TuttiError('PAYLOAD_TOO_LARGE', `${field}: more than ${files} files, or more than ${bytes / 1e6} MB unpacked`, {
    path: field,
  })

/** Errors of the disk and of object storage have codes of their own, and are not the request's fault. */
const isArchiveFault = (error: unknown): boolean => {
  if (!(error instanceof Error) || error.name === 'ObjectStoreError') return false
  const { code } = error as { code?: unknown }
  return code === undefined || (typeof code === 'string' && code.startsWith('Z_'))
}
