/** The kinds of value that variables take. Each message completes the sentence “NAME …”. */
import { isAbsolute, resolve } from 'node:path'
import { z } from 'zod'

/** A timer of more milliseconds than fit in 31 bits fires at once, which is worse than refusing the number. */
const longestTimerSeconds = 2_147_483

interface Refusal {
  what: string
  remedy: string
}

/** A schema from text, whose refusals carry their remedy. */
function fromText<T>(accepts: string, convert: (text: string) => T | Refused): z.ZodType<T, string> {
  return z
    .string()
    .transform((text, context) => {
      const value = convert(text)
      if (!(value instanceof Refused)) return value
      context.addIssue({
        code: 'custom',
        message: value.refusal.what,
        input: text,
        params: { remedy: value.refusal.remedy },
      })
      return z.NEVER
    })
    .meta({ description: accepts })
}

class Refused {
  readonly refusal: Refusal
  constructor(refusal: Refusal) {
    this.refusal = refusal
  }
}

function refuse(what: string, remedy: string): Refused {
  return new Refused({ what, remedy })
}

export const text = fromText('text', (value) => value)

export function integer(min: number, max = Number.MAX_SAFE_INTEGER): z.ZodType<number, string> {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  return fromText(`whole number ${range}`, (value) => {
    const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
    if (number >= min && number <= max) return number
    return refuse(`must be a whole number ${range}`, `Use digits only, ${range}.`)
  })
}

/** 0 takes any port that is free. */
export const port = integer(0, 65_535)

/** A duration; fractions are fine. */
export const seconds = fromText(`seconds, more than 0 and at most ${longestTimerSeconds}`, (value) => {
  const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN
  if (number > 0 && number <= longestTimerSeconds) return number
  return refuse(
    `must be a number of seconds, more than 0 and at most ${longestTimerSeconds}`,
    'Write the seconds as a plain number, such as 30 or 0.5.',
  )
})

export const flag = fromText('true, 1, yes, on, false, 0, no or off', (value) => {
  const word = value.toLowerCase()
  if (['true', '1', 'yes', 'on'].includes(word)) return true
  if (['false', '0', 'no', 'off'].includes(word)) return false
  return refuse('must be a yes or a no', 'Use true, 1, yes or on; or false, 0, no or off.')
})

/** One of a few words, in any case; the value has the table's spelling. */
export function choice<const Word extends string>(words: readonly Word[]): z.ZodType<Word, string> {
  const shown = words.map((word) => (word === '' ? 'empty' : word)).join(', ')
  return fromText(shown, (value) => {
    const found = words.find((word) => word.toLowerCase() === value.toLowerCase())
    return found ?? refuse('is not one of the known values', `Use one of: ${shown}.`)
  })
}

export const host = fromText('host name or address', (value) =>
  /\s|\//.test(value)
    ? refuse('must be a host name or an address', 'Give the host alone, such as 0.0.0.0 or 127.0.0.1.')
    : value,
)

/** A name of an instance or a worker; it travels in addresses and headers. */
export const identifier = fromText('name without spaces, at most 200 characters', (value) =>
  /^[\x21-\x7e]{1,200}$/.test(value)
    ? value
    : refuse('must be a name of visible ASCII characters, at most 200', 'Use letters, digits, dots and dashes.'),
)

/** An HTTP address without a trailing slash, so that paths can be appended. */
export const httpUrl = fromText('http or https address', (value) => {
  const url = URL.parse(value)
  if (url !== null && ['http:', 'https:'].includes(url.protocol)) return value.replace(/\/+$/, '')
  return refuse('must be an http or https address', 'Give the whole address, such as http://localhost:8000.')
})

/** Empty, or the connection string of a PostgreSQL. */
export const postgresUrl = fromText('postgresql://user:password@host:5432/database', (value) => {
  if (value === '') return value
  const url = URL.parse(value)
  if (url !== null && ['postgres:', 'postgresql:'].includes(url.protocol)) return value
  return refuse('must be a PostgreSQL connection string', 'Use postgresql://user:password@host:5432/database.')
})

/** A folder, made absolute, so that a later change of the working directory can't move it. Empty stays empty. */
export const folder = fromText('folder', (value) => (value === '' ? '' : resolve(value)))

export const folderList = fromText('absolute folders, separated by “:”', (value) => {
  const folders = value.split(':').filter((part) => part !== '')
  if (folders.every((part) => isAbsolute(part))) return folders.map((part) => resolve(part))
  return refuse('must list absolute folders', 'Separate absolute folders with “:”, such as /srv/a:/srv/b.')
})

export const timeZone = fromText('IANA time zone', (value) => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: value })
    return value
  } catch {
    return refuse('must be a time zone', 'Use an IANA name, such as UTC or Europe/Moscow.')
  }
})

/** A token that is sent in a header: other characters would arrive changed, and then never match. */
export const headerToken = fromText('visible ASCII characters', (value) =>
  /^[\x21-\x7e]*$/.test(value)
    ? value
    : refuse(
        'holds characters that a header can’t carry',
        'Use visible ASCII only; check for a space or a line break at its end.',
      ),
)

/** A variable of the documents whose feature is not built yet: refusing it beats ignoring it silently. */
export function notYet(feature: string, instead: string): z.ZodType<'', string> {
  return fromText('leave it empty', (value) =>
    value === '' ? '' : refuse(`is not supported yet: ${feature} comes later`, instead),
  )
}

/** Origins as browsers write them: without a path, and without the port that the scheme implies. */
export const origins = fromText('JSON array of origins', (value): readonly string[] | Refused => {
  const parsed = z.array(z.url({ protocol: /^https?$/ })).safeParse(asJson(value))
  if (parsed.success) return parsed.data.map((origin) => new URL(origin).origin)
  return refuse('must be a list of origins', 'Use a JSON array such as ["http://localhost:3000"].')
})

const asJson = (value: string): unknown => {
  try {
    return JSON.parse(value)
  } catch {
    return undefined
  }
}

/** Names of models; `*` stands for any text. */
export const modelPatterns = fromText('names of models, separated by commas; * stands for any text', (value) =>
  value.split(',').flatMap((name) => name.trim() || []),
)
