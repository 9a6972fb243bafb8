/** Names and paths that come from outside, checked before anything is touched. */
import { RunFault } from '../fault.ts'

/** The runtime's own folder in a workspace: its sessions, which the next turn resumes. Never staged, never exported. */
export const runtimeFolder = '.tutti'

/** A user's name becomes the name of a folder and part of object keys. */
export const checkUserId = (userId: string): string => {
  if (/^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/.test(userId)) return userId
  throw new RunFault('USER_ID_REFUSED', 'The user id can’t be the name of a folder: use letters, digits and . _ @ + -')
}

/** The parts of a path below the workspace. `a//b` and `./a` are tolerated; whatever could lead elsewhere is not. */
export const segmentsOf = (path: string): string[] => {
  const shown = JSON.stringify(path.slice(0, 200))
  if (path.startsWith('/')) throw refused(shown, 'is absolute')
  if (/[\p{Cc}\\]/u.test(path) || !path.isWellFormed()) throw refused(shown, 'has characters that a path can’t have')
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.')
  if (segments.includes('..')) throw refused(shown, 'leads out of its folder')
  if (segments.some((segment) => Buffer.byteLength(segment) > 255)) throw refused(shown, 'has too long a name')
  if (segments[0] === runtimeFolder) throw refused(shown, 'belongs to the agent’s runtime')
  return segments
}

/** As `segmentsOf`, for a file: it has a name. */
export const fileSegmentsOf = (path: string): { folders: string[]; name: string } => {
  const segments = segmentsOf(path)
  const name = segments.at(-1)
  if (name === undefined || path.endsWith('/')) throw refused(JSON.stringify(path), 'names no file')
  return { folders: segments.slice(0, -1), name }
}

const refused = (shown: string, why: string): RunFault =>
  new RunFault('STAGED_PATH_REFUSED', `The path ${shown} for the workspace ${why}`)
