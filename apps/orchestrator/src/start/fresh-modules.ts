/**
 * Importing a module a second time. Node keeps every module for ever under its address, so a new text needs a new address; and what the
 * module imports from its own folder needs one, too, or a changed helper would stay as it was.
 */
import { registerHooks } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const parameter = 'tutti-load'
let loads = 0
/** Folders that were asked for, as addresses that end in a slash. */
const folders = new Set<string>()

/** Makes the addresses of one load. What was loaded before stays in memory: a few kilobytes for each change. */
export const freshUrl = (folder: string): ((file: string) => string) => {
  if (folders.size === 0) followImports()
  folders.add(pathToFileURL(`${resolve(folder)}/`).href)
  loads += 1
  const load = loads
  return (file) => `${pathToFileURL(resolve(file)).href}?${parameter}=${load}`
}

const followImports = (): void => {
  registerHooks({
    resolve: (specifier, context, next) => {
      const found = next(specifier, context)
      const load = loadOf(context.parentURL)
      const own = [...folders].some((folder) => found.url.startsWith(folder)) && !found.url.includes('/node_modules/')
      if (load === null || !own || loadOf(found.url) !== null) return found
      const url = new URL(found.url)
      url.searchParams.set(parameter, load)
      return { ...found, url: url.href }
    },
  })
}

const loadOf = (url: string | undefined): string | null =>
  url?.startsWith('file:') ? new URL(url).searchParams.get(parameter) : null
