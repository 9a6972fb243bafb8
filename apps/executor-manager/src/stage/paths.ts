/** Names and paths that come from outside, checked before anything is touched. */
import { userFolder } from '@tutti/contracts'
import { messageOf, RunFault } from '../fault.ts'

/** The runtime's own folder in a workspace: its sessions, which the next turn resumes. Never staged, never exported. */
export const runtimeFolder = '.tutti'

/** The name of a user's folder, see `userFolder`. */
export const folderOfUser = (userId: string): string => {
  try {
    return userFolder(userId)
  } catch (error) {
    throw new RunFault('USER_ID_REFUSED', messageOf(error))
  }
}

/** What the backend may place in the runtime's own folder: what an agent is given, never what it remembers. */
const givenToRuntime = /^\.tutti\/claude\/(?:(?:skills|plugins|commands|agents)(?:\/|$)|CLAUDE\.md$)/

/** Whether it is put there anew for each run. */
export const isGivenToRuntime = (path: string): boolean => givenToRuntime.test(path)

/** What belongs to a process of the runtime and ends with it: one that waits for the next turn still has it. */
export const isOfRuntimeProcess = (path: string): boolean =>
  /^\.tutti\/claude\/(?:sessions|shell-snapshots)(?:\/|$)/.test(path)

/** As `segmentsOf`, for a path of a staging plan. */
export const plannedSegmentsOf = (path: string): string[] =>
  segmentsOf(
    path,
    givenToRuntime.test(
      path
        .split('/')
        .filter((part) => part !== '' && part !== '.')
        .join('/'),
    ),
  )

/** The parts of a path below the workspace. `a//b` and `./a` are tolerated; whatever could lead elsewhere is not. */
export const segmentsOf = (path: string, mayBeTheRuntimes = false): string[] => {
  const shown = JSON.stringify(path.slice(0, 200))
  if (path.startsWith('/')) throw refused(shown, 'is absolute')
  if (/[\p{Cc}\\]/u.test(path) || !path.isWellFormed()) throw refused(shown, 'has characters that a path can’t have')
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.')
  if (segments.includes('..')) throw refused(shown, 'leads out of its folder')
  if (segments.some((segment) => Buffer.byteLength(segment) > 255)) throw refused(shown, 'has too long a name')
  if (segments[0] === runtimeFolder && !mayBeTheRuntimes) throw refused(shown, 'belongs to the agent’s runtime')
  return segments
}

/** As `plannedSegmentsOf`, for a file: it has a name. */
export const fileSegmentsOf = (path: string): string[] => {
  const segments = plannedSegmentsOf(path)
  if (segments.length === 0 || path.endsWith('/')) throw refused(JSON.stringify(path), 'names no file')
  return segments
}

const refused = (shown: string, why: string): RunFault =>
  new RunFault('STAGED_PATH_REFUSED', `The path ${shown} for the workspace ${why}`)
