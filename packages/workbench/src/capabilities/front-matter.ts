/** The settings at the head of a Markdown file, between two lines of three dashes. */
import { parse, stringify } from 'yaml'

export interface FrontMatter {
  fields: Readonly<Record<string, unknown>>
  body: string
}

const pattern = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)\r?\n?---[ \t]*(?:\r?\n|$)/

/** Longer ones are no settings any more. */
const longest = 65_536

/** Null: it has none. @throws Error where there is one that can't be read */
export const readFrontMatter = (markdown: string): FrontMatter | null => {
  const [whole, text] = pattern.exec(markdown) ?? []
  if (whole === undefined || text === undefined) return null
  if (text.length > longest) throw new Error('its front matter is too long')
  const fields: unknown = parse(text, { maxAliasCount: 10 }) ?? {}
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
    throw new Error('its front matter is no list of names and values')
  return { fields: fields as Record<string, unknown>, body: markdown.slice(whole.length) }
}

/** Fields that are null are left out. */
export const writeFrontMatter = (
  fields: Readonly<Record<string, string | readonly string[] | null>>,
  body: string,
): string => {
  const given = Object.entries(fields).filter(([, value]) => value !== null)
  return given.length === 0 ? body : `---\n${stringify(Object.fromEntries(given), { lineWidth: 0 })}---\n${body}`
}

/** The field as a text; undefined where it is missing or something else. */
export const textField = ({ fields }: FrontMatter, name: string): string | undefined => {
  const value = fields[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}
