/**
 * Blueprints that were registered over the API: documents in the Store, loaded by every instance, at its start and when there is news of
 * them. The Store is the truth; an instance that can't load one goes on without it, and says so.
 */
import { type BlueprintDocument, type JsonObject, TuttiError } from '@tutti/contracts'
import { BlueprintError, type BlueprintRegistry, jsonBlueprint, type Store, type StoredRecord } from '@tutti/engine'
import type { Logger } from '@tutti/telemetry'

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

/** Loads what is there, and follows the news. */
export const followRegisteredBlueprints = async (deps: RegisteredBlueprintsDeps): Promise<RegisteredBlueprints> => {
  const { store, blueprints, log } = deps
  const told = new Set<string>()

  const load = (record: StoredRecord): void => {
    const { name, version, document, retired } = bodyOf(record)
    try {
      // Retired ones are loaded, too: jobs that began with them go on.
      blueprints.add('api', jsonBlueprint(document as unknown as BlueprintDocument))
      if (retired) blueprints.remove('api', name, version)
    } catch (error) {
      if (told.has(`${record.id} ${record.rev}`)) return
      told.add(`${record.id} ${record.rev}`)
      log.error({ err: error, blueprint: record.id }, 'a blueprint that was registered can not be loaded here')
    }
  }
  const loadAll = async (): Promise<void> => {
    for await (const record of all(store)) load(record)
  }
  await loadAll()
  let loading: Promise<void> = Promise.resolve()
  const unsubscribe = store.subscribe(({ records, resync }) => {
    if (!records?.includes(kind) && !resync) return
    loading = loading
      .then(loadAll)
      .catch((error: unknown) => log.warn({ err: error }, 'the registered blueprints were not read'))
  })
  const find = async (name: string, version: number): Promise<StoredRecord> => {
    const [record] = await store.getRecords(kind, [idOf(name, version)])
    if (!record) throw new TuttiError('BLUEPRINT_NOT_FOUND', `There is no registered blueprint "${name}" v${version}`)
    return record
  }

  return {
    register: async (document, by) => {
      const blueprint = jsonBlueprint(document as unknown as BlueprintDocument)
      const { name, version } = blueprint
      try {
        blueprints.add('api', blueprint)
      } catch (error) {
        if (!(error instanceof BlueprintError)) throw error
        throw new TuttiError('BLUEPRINT_EXISTS', error.message, { cause: error })
      }
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
      const [taken] = await store.putRecords([record])
      // It was there: the same, or the registry would have refused it. It may have been retired, and is offered again.
      if (!taken) await setRetired(await find(name, version), false)
      return { name, version }
    },
    read: async (name, version) => bodyOf(await find(name, version)).document,
    retire: async (name, version) => {
      await setRetired(await find(name, version), true)
      blueprints.remove('api', name, version)
    },
    stop: async () => {
      unsubscribe()
      await loading
    },
  }

  async function setRetired(record: StoredRecord, retired: boolean): Promise<void> {
    for (let known: StoredRecord | undefined = record; known && known.body.retired !== retired; ) {
      const [taken] = await store.putRecords([{ ...known, rev: known.rev + 1, body: { ...known.body, retired } }])
      if (taken) return
      ;[known] = await store.getRecords(kind, [record.id])
    }
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
