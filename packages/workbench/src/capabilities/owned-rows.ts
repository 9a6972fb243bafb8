/** Tables whose rows belong to one user each, or to the operator; a stranger's row is not there. */
import { type Json, TuttiError } from '@tutti/contracts'
import { type Queryable, violates } from '../database/database.ts'
import { storable } from '../session/storable.ts'

/** Null: the operator, whose rows are everybody's to use. */
export type Owner = string | null

export interface OwnedRow {
  id: number
  user_id: string | null
  created_at: Date
  updated_at: Date
}

export interface OwnedRows<Row> {
  /** By name; a user's list has the operator's behind their own. */
  list(database: Queryable, owner: Owner): Promise<Row[]>
  /** Those of these that the user can use, in no order. */
  visible(database: Queryable, owner: Owner, ids: readonly number[]): Promise<Row[]>
  /** One that the user can use. @throws TuttiError CAPABILITY_NOT_FOUND, with `path` where a body named it */
  find(database: Queryable, owner: Owner, id: number, path?: string): Promise<Row>
  /** @throws TuttiError CAPABILITY_EXISTS, CAPABILITY_LIMIT */
  insert(database: Queryable, owner: Owner, fields: Fields): Promise<Row>
  /** @throws TuttiError CAPABILITY_NOT_FOUND, CAPABILITY_EXISTS; FORBIDDEN for the operator's */
  update(database: Queryable, owner: Owner, id: number, fields: Fields): Promise<Row>
  /** @throws as `update` */
  remove(database: Queryable, owner: Owner, id: number): Promise<Row>
}

/** Columns and their values; undefined leaves one as it is. Names come from the code only, never from input. */
type Fields = Record<string, unknown>

export const ownedRows = <Row extends OwnedRow>({
  table,
  noun,
  orderBy = 'name',
  light = '*',
  most = 1000,
}: {
  table: string
  /** As in "There is no …". */
  noun: string
  orderBy?: string
  /** The columns of `list` and `visible`, where the others may be long. */
  light?: string
  /** Of each owner: a list is sent whole. */
  most?: number
}): OwnedRows<Row> => {
  const own = (owner: Owner): string => (owner === null ? 'user_id is null and $1::text is null' : 'user_id = $1')
  const usable = (owner: Owner): string => (owner === null ? own(owner) : '(user_id = $1 or user_id is null)')
  const missing = (path?: string): TuttiError =>
    new TuttiError('CAPABILITY_NOT_FOUND', `There is no such ${noun}`, path === undefined ? {} : { path })

  /** A row that is not the owner's: none at all, or one of the operator's. */
  const absent = async (database: Queryable, owner: Owner, id: number): Promise<TuttiError> => {
    const [row] = await database.query(`select from ${table} where id = $2 and ${usable(owner)}`, [owner, id])
    return row
      ? new TuttiError('FORBIDDEN', `This ${noun} is the operator’s; only the operator can change it`)
      : missing()
  }
  const unique = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      const name = table.replace('workbench.', '')
      const taken = ['name', 'key', 'item'].some((by) => violates(error, `${name}_by_${by}`))
      if (taken || violates(error, `${name}_of_system`))
        throw new TuttiError('CAPABILITY_EXISTS', `There is such a ${noun} already`, { path: 'body' })
      throw error
    }
  }

  return {
    list: (database, owner) =>
      database.query<Row>(
        `select ${light} from ${table} where ${usable(owner)} order by user_id nulls last, ${orderBy}, id`,
        [owner],
      ),
    visible: async (database, owner, ids) =>
      ids.length === 0
        ? []
        : database.query<Row>(`select ${light} from ${table} where ${usable(owner)} and id = any ($2::integer[])`, [
            owner,
            ids,
          ]),
    find: async (database, owner, id, path) => {
      const [row] = await database.query<Row>(`select * from ${table} where ${usable(owner)} and id = $2`, [owner, id])
      if (!row) throw missing(path)
      return row
    },
    insert: async (database, owner, fields) => {
      const [{ count } = { count: 0 }] = await database.query<{ count: number }>(
        `select count(*) from ${table} where ${own(owner)}`,
        [owner],
      )
      if (count >= most)
        throw new TuttiError('CAPABILITY_LIMIT', `You have ${most} of this kind already, which is the most`)
      const entries = Object.entries(fields)
      const [row] = await unique(
        database.query<Row>(
          `insert into ${table} (user_id${entries.map(([column]) => `, ${column}`).join('')})
           values ($1${entries.map((_, at) => `, $${at + 2}`).join('')}) returning *`,
          [owner, ...entries.map(([, value]) => clean(value))],
        ),
      )
      if (!row) throw new Error(`PostgreSQL did not answer the ${noun} that it stored`)
      return row
    },
    update: async (database, owner, id, fields) => {
      const entries = Object.entries(fields).filter(([, value]) => value !== undefined)
      const sets = entries.map(([column], at) => `${column} = $${at + 3}, `).join('')
      const [row] = await unique(
        database.query<Row>(
          `update ${table} set ${sets}updated_at = now() where id = $2 and ${own(owner)} returning *`,
          [owner, id, ...entries.map(([, value]) => clean(value))],
        ),
      )
      if (!row) throw await absent(database, owner, id)
      return row
    },
    remove: async (database, owner, id) => {
      const [row] = await database.query<Row>(`delete from ${table} where id = $2 and ${own(owner)} returning *`, [
        owner,
        id,
      ])
      if (!row) throw await absent(database, owner, id)
      return row
    },
  }
}

/** Bytes stay as they are. */
const clean = (value: unknown): unknown =>
  value instanceof Buffer || value === undefined ? value : storable(value as Json)
