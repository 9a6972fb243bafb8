/**
 * Blueprints that were registered over the API: documents in the Store, loaded by every instance, at its start and when there is news of
 * them. The Store is the truth; an instance that can't load one goes on without it, and says so.
 */
import { type JsonObject, TuttiError } from '@tutti/contracts'
import {
  type Blueprint,
  BlueprintError,
  type BlueprintRegistry,
  readJsonBlueprint,
  type Store,
  type StoredRecord,
} from '@tutti/engine'
import type { Logger } from '@tutti/telemetry'
import { every } from './upkeep.ts'

export interface RegisteredBlueprints {
  /** @throws TuttiError INVALID_BODY with the path of each fault, BLUEPRINT_EXISTS */
  register(document: JsonObject, by: string): Promise<{ name: string; version: number }>
  /** The document as it was given. @throws TuttiError BLUEPRINT_NOT_FOUND */
  read(name: string, version: number): Promise<JsonObject>
  /** No longer offered for new jobs; running ones go on. @throws TuttiError BLUEPRINT_NOT_FOUND */
  retire(name: string, version: number): Promise<void>
  stop(): Promise<void>
}

const kind = 'blueprint'
const idOf = (name: string, version: number): string => `${name}@${version}`

export interface RegisteredBlueprintsDeps {
  store: Pick<Store, 'putRecords' | 'getRecords' | 'listRecords' | 'subscribe'>
  blueprints: BlueprintRegistry
  log: Logger
}

/** News may be lost; then a blueprint of another instance is here after this time at the latest. */
const safetyMs = 30_000

/** Loads what is there, and follows the news. */
export const followRegisteredBlueprints = async (deps: RegisteredBlueprintsDeps): Promise<RegisteredBlueprints> => {
  const { store, blueprints, log } = deps
  /** The revision of each that is here; and of each that can't be: it is tried again with every look, and told once. */
  const loaded = new Map<string, number>()
  const told = new Map<string, number>()

  const load = (record: StoredRecord): void => {
    if (loaded.get(record.id) === record.rev) return
    const { name, version, document, retired } = bodyOf(record)
    try {
      const blueprint = read(document)
      // Retired ones are there, too: jobs that began with them go on.
      if (retired) {
        blueprints.keep('api', blueprint)
        blueprints.remove('api', name, version)
      } else blueprints.add('api', blueprint)
      loaded.set(record.id, record.rev)
    } catch (error) {
      if (told.get(record.id) === record.rev) return
      told.set(record.id, record.rev)
      log.error(
        { blueprint: record.id },
        `the registered blueprint ${name} v${version} can't be loaded here, and its jobs are left to other instances: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
  }
  const loadAll = async (): Promise<void> => {
    for await (const record of all(store)) load(record)
  }
  const onError = (error: unknown): void => log.warn({ err: error }, 'the registered blueprints were not read')

  let loading: Promise<void> = Promise.resolve()
  // Before the first look: what is registered between the two must not be missed.
  const unsubscribe = store.subscribe(({ records, resync }) => {
    if (!records?.includes(kind) && !resync) return
    loading = loading.then(loadAll).catch(onError)
  })
  try {
    await loadAll()
  } catch (error) {
    unsubscribe()
    throw error
  }
  const stopLooking = every(safetyMs, loadAll, onError)

  const find = async (name: string, version: number): Promise<StoredRecord> => {
    const [record] = await store.getRecords(kind, [idOf(name, version)])
    if (!record) throw new TuttiError('BLUEPRINT_NOT_FOUND', `There is no registered blueprint "${name}" v${version}`)
    return record
  }
  const setRetired = async (record: StoredRecord, retired: boolean): Promise<void> => {
    for (let known: StoredRecord | undefined = record; known; ) {
      if (known.body.retired === retired) return load(known)
      const next: StoredRecord = { ...known, rev: known.rev + 1, body: { ...known.body, retired } }
      const [taken] = await store.putRecords([next])
      if (taken) return load(next)
      ;[known] = await store.getRecords(kind, [record.id])
    }
  }

  return {
    register: async (document, by) => {
      const blueprint = read(document)
      const { name, version } = blueprint
      refuseConflict(blueprints, blueprint)
      const record: StoredRecord = {
        kind,
        id: idOf(name, version),
        owner: null,
        ref: name,
        rev: 1,
        dueAt: null,
        expiresAt: null,
        body: { name, version, document, by, retired: false },
      }
      // Stored first: an instance that offered what no other can load would make jobs that nobody else goes on with.
      const [taken] = await store.putRecords([record])
      if (taken) {
        load(record)
        return { name, version }
      }
      const former = await find(name, version)
      // Another instance may have taken another document a moment ago, of which this one has not heard.
      load(former)
      refuseConflict(blueprints, blueprint)
      // The same: it may have been retired, and is offered again.
      await setRetired(former, false)
      return { name, version }
    },
    read: async (name, version) => bodyOf(await find(name, version)).document,
    retire: async (name, version) => setRetired(await find(name, version), true),
    stop: async () => {
      unsubscribe()
      await stopLooking()
      await loading
    },
  }
}

/** @throws TuttiError INVALID_BODY with every fault and its place */
const read = (document: JsonObject): Blueprint => {
  const result = readJsonBlueprint(document)
  if ('blueprint' in result) return result.blueprint
  const faults = result.faults.map(({ path, fault }) => ({
    path: path === '' ? 'body' : `body.${path}`,
    message: fault,
  }))
  const lines = result.faults.map(({ path, fault }) => (path === '' ? fault : `${path}: ${fault}`))
  throw new TuttiError('INVALID_BODY', lines.join('\n'), { path: faults[0]?.path ?? 'body', faults })
}

/** @throws TuttiError BLUEPRINT_EXISTS */
const refuseConflict = (blueprints: BlueprintRegistry, blueprint: Blueprint): void => {
  try {
    blueprints.check('api', blueprint)
  } catch (error) {
    if (!(error instanceof BlueprintError)) throw error
    throw new TuttiError('BLUEPRINT_EXISTS', error.message, { cause: error })
  }
}

interface Body {
  name: string
  version: number
  document: JsonObject
  retired: boolean
}
const bodyOf = ({ body }: StoredRecord): Body => body as unknown as Body

async function* all(store: Pick<Store, 'listRecords'>): AsyncGenerator<StoredRecord> {
  let after: string | undefined
  for (;;) {
    const page = await store.listRecords({ kind, limit: 200, ...(after === undefined ? {} : { after }) })
    yield* page
    const last = page.at(-1)
    if (!last || page.length < 200) return
    after = last.id
  }
}
