/**
 * How keys become paths. Every segment is written as percent-encoded bytes of a small alphabet behind a letter that says
 * what it is: `d` a folder, `f` an object, `c` a piece of a segment that goes on in the next folder, because file names
 * end at 255 bytes. So `a` and `a/b` live side by side, `A` and `a` stay two on a disk that ignores case, and no key can
 * spell a name of the layout itself.
 */
import { join, sep } from 'node:path'

const pieceLength = 200

/** Path of the object's file, relative to the folder of objects. */
export function keyToPath(key: string): string {
  const segments = key.split('/')
  return segments.map((segment, index) => segmentToPath(segment, index === segments.length - 1 ? 'f' : 'd')).join(sep)
}

/** Path of the deepest folder that holds every key with this prefix; empty for all of them. */
export function prefixToFolder(prefix: string): string {
  const folders = prefix.split('/').slice(0, -1)
  return folders.map((segment) => segmentToPath(segment, 'd')).join(sep)
}

/** What a directory entry stands for, given the key text of the folder it is in. */
export type EntryMeaning = { kind: 'object' | 'folder'; key: string } | null

export function readEntry(folderKey: string, entryName: string): EntryMeaning {
  const text = decode(entryName.slice(1))
  if (text === null) return null
  if (entryName.startsWith('f')) return { kind: 'object', key: folderKey + text }
  if (entryName.startsWith('d')) return { kind: 'folder', key: `${folderKey + text}/` }
  if (entryName.startsWith('c')) return { kind: 'folder', key: folderKey + text }
  return null
}

function segmentToPath(segment: string, kind: 'd' | 'f'): string {
  const pieces = splitPieces(segment)
  return join(...pieces.map((piece, index) => (index === pieces.length - 1 ? kind : 'c') + piece))
}

/** Pieces end between characters, so that each one can be decoded alone. */
function splitPieces(segment: string): string[] {
  const pieces: string[] = []
  let piece = ''
  for (const character of segment) {
    const encoded = encode(character)
    if (piece.length + encoded.length > pieceLength) {
      pieces.push(piece)
      piece = ''
    }
    piece += encoded
  }
  return [...pieces, piece]
}

function encode(character: string): string {
  if (/^[a-z0-9._-]$/.test(character)) return character
  return [...Buffer.from(character)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
}

function decode(encoded: string): string | null {
  try {
    return decodeURIComponent(encoded)
  } catch {
    return null
  }
}
