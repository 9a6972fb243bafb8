/** Tells whether what a relative link points to is there. */
import { realpath } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { isGone, isInside } from './root.ts'

export interface LinkCheck {
  /** False also for what can't be told: addresses with a scheme, anchors, and paths that leave the folder. */
  isBroken(file: string, link: string): Promise<boolean>
}

export const createLinkCheck = (root: string): LinkCheck => {
  const known = new Map<string, Promise<boolean>>()
  return {
    isBroken: (file, link) => {
      const path = targetPath(file, link)
      if (path === undefined || !isInside(root, join(root, path))) return Promise.resolve(false)
      const checked = known.get(path) ?? isMissing(join(root, path))
      known.set(path, checked)
      return checked
    },
  }
}

/** Path below the root, as GitHub resolves it: a link that begins with a slash starts at the top of the folder. */
const targetPath = (file: string, link: string): string | undefined => {
  if (/^(?:[a-z][a-z\d+.-]*:|\/\/)/i.test(link)) return undefined
  const bare = link.replace(/[?#].*$/s, '')
  if (bare === '') return undefined
  const path = decode(bare)
  return path.startsWith('/') ? posix.normalize(path.slice(1)) : posix.join(posix.dirname(file), path)
}

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const isMissing = async (path: string): Promise<boolean> => {
  if (path.includes('\0')) return true
  try {
    await realpath(path)
    return false
  } catch (error) {
    return isGone(error)
  }
}
