/** The blueprints that the tests run are documents, so that any server can be told them over its API. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Send } from './server.ts'

export const blueprintsDir = join(import.meta.dirname, '..', 'blueprints')

/**
 * Registers those that the server does not have: it may have loaded the folder itself.
 * @throws Error with the answer, where it refuses one. A document that has changed needs a higher version.
 */
export const registerBlueprints = async (operator: Send): Promise<void> => {
  const { body: list } = await operator('GET', '/blueprints')
  if (!Array.isArray(list)) throw new Error(`GET /blueprints was answered with ${JSON.stringify(list)}`)
  const there = new Set(list.map(({ name, version }) => `${name}@${version}`))
  for (const file of await readdir(blueprintsDir)) {
    const document = JSON.parse(await readFile(join(blueprintsDir, file), 'utf8'))
    if (there.has(`${document.name}@${document.version}`)) continue
    const { status, body } = await operator('POST', '/blueprints', document)
    if (status !== 201) throw new Error(`${file} could not be registered: ${JSON.stringify(body)}`)
  }
}
