/**
 * Text columns take neither a null byte nor half of a surrogate pair, and a list travels as one text. A name that holds such a
 * thing must not make the whole batch fail, so a column holds a lookalike; where the name itself is needed, it is in the body.
 */
const listSeparator = '\x1f'

export const columnText = (text: string): string =>
  text.replaceAll('\0', '\u2400').replaceAll(listSeparator, '\u241f').toWellFormed()

export const columnList = (texts: string[]): string => texts.map(columnText).join(listSeparator)

/** Ids of jobs are UUIDs: anything else is no id of any job, and PostgreSQL would refuse to look for it. */
export const isUuid = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
