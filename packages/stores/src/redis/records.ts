import type { JsonObject } from '@tutti/contracts'
import type { RecordQuery, StoredRecord } from '@tutti/engine'
import type { Run } from './scripts.ts'
import { nameText, orEmpty, parseName, parseNumber } from './text.ts'

type RecordAnswer = [
  id: string,
  rev: string,
  owner: string,
  ref: string,
  dueAt: string,
  expiresAt: string,
  body: string,
]

/** As `take_record` reads them. */
export const recordArguments = (record: StoredRecord): (string | number)[] => [
  nameText(record.kind),
  nameText(record.id),
  orEmpty(record.owner),
  orEmpty(record.ref),
  record.rev,
  orEmpty(record.dueAt),
  orEmpty(record.expiresAt),
  JSON.stringify(record.body),
]

const recordOf = (kind: string, [id, rev, owner, ref, dueAt, expiresAt, body]: RecordAnswer): StoredRecord => ({
  kind,
  id: parseName(id),
  owner: owner === '' ? null : parseName(owner),
  ref: ref === '' ? null : parseName(ref),
  rev: Number(rev),
  dueAt: parseNumber(dueAt),
  expiresAt: parseNumber(expiresAt),
  body: JSON.parse(body) as JsonObject,
})

export const putRecords = async (run: Run, records: StoredRecord[]): Promise<boolean[]> => {
  if (records.length === 0) return []
  const taken = await run<number[]>('put-records', records.flatMap(recordArguments))
  return taken.map((each) => each === 1)
}

export const getRecords = async (run: Run, kind: string, ids: string[]): Promise<(StoredRecord | undefined)[]> => {
  if (ids.length === 0) return []
  const answers = await run<(RecordAnswer | [])[]>('get-records', [nameText(kind), ...ids.map(nameText)])
  return answers.map((answer) => (answer.length === 0 ? undefined : recordOf(kind, answer)))
}

/** Records looked at in one call, so that a condition that few meet does not hold up the server. */
const listBudget = 2_000

export const listRecords = async (run: Run, query: RecordQuery): Promise<StoredRecord[]> => {
  const found: StoredRecord[] = []
  let after = orEmpty(query.after)
  do {
    const [reached, answers] = await run<[string, RecordAnswer[]]>('list-records', [
      nameText(query.kind),
      orEmpty(query.owner),
      orEmpty(query.ref),
      query.newest ? 'newest' : 'oldest',
      after,
      query.limit - found.length,
      listBudget,
    ])
    found.push(...answers.map((answer) => recordOf(query.kind, answer)))
    after = reached
  } while (after !== '' && found.length < query.limit)
  return found
}

export const leaseRecords = async (
  run: Run,
  { kind, limit, leaseMs }: { kind: string; limit: number; leaseMs: number },
): Promise<StoredRecord[]> =>
  (await run<RecordAnswer[]>('lease-records', [nameText(kind), limit, leaseMs])).map((answer) => recordOf(kind, answer))

export const dropRecords = async (run: Run, kind: string, ids: string[]): Promise<void> => {
  if (ids.length > 0) await run('drop-records', [nameText(kind), ...ids.map(nameText)])
}
