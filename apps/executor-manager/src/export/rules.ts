/** What of a workspace is shown, what is only kept so that the session can go on elsewhere, and what is left out. Pure. */
import { checkKey } from '@tutti/objects'
import ignore from 'ignore'
import { isGivenToRuntime, isOfRuntimeProcess, runtimeFolder } from '../stage/paths.ts'

export interface KeepRules {
  /**
   * `shown` to people; `hidden`: kept, and shown to nobody; `remade`: left out because a tool makes it again or because
   * the operator said so. `path` is from the workspace; what is in a folder that is remade is never asked for.
   */
  of(path: string, name: string, kind: 'file' | 'directory'): 'shown' | 'hidden' | 'remade'
  /** Whether `name` lies in a folder where everything is kept as it is. */
  isWhole(path: string): boolean
}

/** What tools make again. */
const remade = new Set([
  ...['.DS_Store', '__pycache__', '.cache', '.pytest_cache', '.mypy_cache', '.ruff_cache', '.turbo', '.parcel-cache'],
  ...['node_modules', '.venv', 'venv', '.next', 'dist', 'build'],
])

/** In these a name means something else: a branch of git may be called `build`. */
const whole = new Set(['.git', '.hg', '.svn', runtimeFolder])

export interface KeepOptions {
  /** WORKSPACE_IGNORE_DOT_FILES */
  ignoreDotFiles: boolean
  /** WORKSPACE_GIT_IGNORE: patterns as in .gitignore. */
  patterns: readonly string[]
}

export const keepRules = ({ ignoreDotFiles, patterns }: KeepOptions): KeepRules => {
  const ignored = ignore({ ignorecase: false }).add([...patterns])
  const isWhole = (path: string): boolean => path.split('/').some((part) => whole.has(part))
  return {
    isWhole,
    of: (path, name, kind) => {
      // Skills of hundreds of megabytes would else be stored once more with every session.
      if (isGivenToRuntime(path) || isOfRuntimeProcess(path)) return 'remade'
      if (isWhole(path)) return 'hidden'
      // Ours: files that are being placed, or whose placing was interrupted.
      if (remade.has(name) || name.startsWith('.tutti-')) return 'remade'
      if (patterns.length > 0 && ignored.ignores(kind === 'directory' ? `${path}/` : path)) return 'remade'
      if (ignoreDotFiles && path.split('/').some((part) => part.startsWith('.'))) return 'hidden'
      return isShowable(path) ? 'shown' : 'hidden'
    },
  }
}

/** A name with a line break or a backslash would mean another file in a zip, a URL or a terminal. */
const isShowable = (path: string): boolean => {
  try {
    checkKey(path)
    return true
  } catch {
    return false
  }
}
