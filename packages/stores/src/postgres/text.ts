/**
 * Text columns take neither a null byte nor half of a surrogate pair, a list travels as one text, and an index holds 2,700 bytes.
 * A name that holds such a thing must not make the whole batch fail, and two names must never become one.
 */
import { createHash } from 'node:crypto'

const listSeparator = '\x1f'
/** Marks a character that is written by its number; itself too. */
const mark = '\u2400'
const special = new RegExp(`[\0${listSeparator}${mark}\ud800-\udfff]`, 'u')

/** The text as columns hold it; ordinary ones stay as they are. @see textOf */
export const columnText = (text: string): string =>
  special.test(text)
    ? [...text]
        .map((char) => (special.test(char) ? `${mark}${char.charCodeAt(0).toString(16).padStart(4, '0')}` : char))
        .join('')
    : text

/** The text that a column holds. */
export const textOf = (column: string): string =>
  column.includes(mark)
    ? column.replaceAll(new RegExp(`${mark}([0-9a-f]{4})`, 'g'), (_, code: string) =>
        String.fromCharCode(Number.parseInt(code, 16)),
      )
    : column

/** Longer names are found by a digest. */
const longestKey = 500

/** The name as indexed columns hold it. One that is too long can't be read back from it. */
export const columnKey = (text: string): string => {
  const column = columnText(text)
  return column.length <= longestKey
    ? column
    : `${column.slice(0, 100).toWellFormed()}${mark}sha256:${createHash('sha256').update(column).digest('hex')}`
}

/** What must be kept beside the key, so that the name can be read back: null where the key tells it. */
export const fullName = (text: string): string | null => {
  const column = columnText(text)
  return column.length <= longestKey ? null : column
}

export const columnList = (texts: string[]): string => texts.map(columnText).join(listSeparator)

export const listOfKeys = (texts: string[]): string => texts.map(columnKey).join(listSeparator)

/** Ids of jobs are UUIDs: anything else is no id of any job, and PostgreSQL would refuse to look for it. */
export const isUuid = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
