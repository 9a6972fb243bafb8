/** Blueprints as files: every blueprint that a module of the folder exports, by default or by name, and every JSON document. */
import { readdir, readFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Blueprint, BlueprintError, readJsonBlueprint } from '@tutti/engine'
import { freshUrl } from './fresh-modules.ts'

export interface LoadOptions {
  /** Modules of the folder are imported anew, also those that blueprints import from there. */
  fresh?: boolean
}

/**
 * Loads a folder. What the blueprints say is judged by the engine when it is made.
 * @throws BlueprintError naming each file that can't be loaded, with the line where that is known
 */
export const loadBlueprints = async (folder: string, { fresh = false }: LoadOptions = {}): Promise<Blueprint[]> => {
  const url = fresh ? freshUrl(folder) : (file: string) => pathToFileURL(resolve(file)).href
  const faults: string[] = []
  const found = new Set<Blueprint>()
  for (const name of await fileNames(folder)) {
    const file = join(folder, name)
    try {
      // The same blueprint under two names is one blueprint.
      for (const blueprint of name.endsWith('.json') ? await fromDocument(file) : await fromModule(url(file)))
        found.add(blueprint)
    } catch (error) {
      faults.push(
        ...(error instanceof BlueprintError ? error.message.split('\n') : [oneLine(error)]).map(
          (fault) => `${file}${lineOf(error, file)}: ${fault}`,
        ),
      )
    }
  }
  if (faults.length > 0) throw new BlueprintError(faults.join('\n'))
  return [...found]
}

/** Loads one file. @throws BlueprintError */
export const loadBlueprintFile = async (file: string): Promise<Blueprint[]> => {
  try {
    return file.endsWith('.json') ? await fromDocument(file) : await fromModule(pathToFileURL(resolve(file)).href)
  } catch (error) {
    throw new BlueprintError(`${file}${lineOf(error, file)}: ${oneLine(error)}`)
  }
}

const fromModule = async (url: string): Promise<Blueprint[]> => {
  const exported: Record<string, unknown> = await import(url)
  return Object.values(exported).filter(isBlueprint)
}

/** Other JSON files may lie in the folder, too: a document says of itself what it is. */
const fromDocument = async (file: string): Promise<Blueprint[]> => {
  const text = await readFile(file, 'utf8')
  if (!/"format"\s*:\s*"tutti\//.test(text)) return []
  const read = readJsonBlueprint(JSON.parse(text))
  if ('blueprint' in read) return [read.blueprint]
  throw new BlueprintError(read.faults.map(({ path, fault }) => (path === '' ? fault : `${path}: ${fault}`)).join('\n'))
}

const fileNames = async (folder: string): Promise<string[]> => {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries
      .filter(
        (entry) =>
          !entry.isDirectory() &&
          /\.([mc]?[tj]s|json)$/.test(entry.name) &&
          !/\.(d|test|spec)\./.test(entry.name) &&
          !entry.name.startsWith('.'),
      )
      .map((entry) => entry.name)
      .sort()
  } catch (error) {
    throw new BlueprintError(`${folder}: ${oneLine(error)}`)
  }
}

/** A fault is a line: syntax errors come with a drawing of the place. */
const oneLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ').trim()

/** `:12`, where the stack names the file. */
const lineOf = (error: unknown, file: string): string => {
  const stack = error instanceof Error && !(error instanceof BlueprintError) ? (error.stack ?? '') : ''
  const found = new RegExp(`${RegExp.escape(basename(file))}(?:\\?[^:\\s)]*)?:(\\d+)`).exec(stack)
  return found ? `:${found[1]}` : ''
}

const isBlueprint = (value: unknown): value is Blueprint => {
  if (typeof value !== 'object' || value === null) return false
  const candidate: Partial<Record<keyof Blueprint, unknown>> = value
  return (
    typeof candidate.name === 'string' &&
    typeof candidate.version === 'number' &&
    Array.isArray(candidate.states) &&
    Array.isArray(candidate.ends)
  )
}
