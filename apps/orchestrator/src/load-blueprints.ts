/** Blueprints as files: every blueprint that a module of the folder exports, by default or by name. */
import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Blueprint, BlueprintError } from '@tutti/engine'

/**
 * Loads a folder. What the blueprints say is judged by the engine when it is made.
 * @throws BlueprintError naming each file that can't be loaded
 */
export const loadBlueprints = async (folder: string): Promise<Blueprint[]> => {
  const faults: string[] = []
  const found = new Set<Blueprint>()
  for (const name of await moduleNames(folder)) {
    const file = join(folder, name)
    try {
      const exported: Record<string, unknown> = await import(pathToFileURL(resolve(file)).href)
      // The same blueprint under two names is one blueprint.
      for (const value of Object.values(exported)) if (isBlueprint(value)) found.add(value)
    } catch (error) {
      faults.push(`${file}: ${oneLine(error)}`)
    }
  }
  if (faults.length > 0) throw new BlueprintError(faults.join('\n'))
  return [...found]
}

const moduleNames = async (folder: string): Promise<string[]> => {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries
      .filter(
        (entry) => !entry.isDirectory() && /\.[mc]?[tj]s$/.test(entry.name) && !/\.(d|test|spec)\./.test(entry.name),
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
