/** The kinds of value that variables take. Each message completes the sentence “NAME …”. */
import { isAbsolute, resolve } from 'node:path'
import { type AllowedHost, readAllowedHost } from '@tutti/network'
import { z } from 'zod'
import { type Rate, readRate } from './rate.ts'

/** A timer of more milliseconds than fit in 31 bits fires at once, which is worse than refusing the number. */
const longestTimerSeconds = 2_147_483

interface Refusal {
  what: string
  remedy: string
}

/** A schema from text, whose refusals carry their remedy. */
export function fromText<T>(accepts: string, convert: (text: string) => T | Refused): z.ZodType<T, string> {
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

export class Refused {
  readonly refusal: Refusal
  constructor(refusal: Refusal) {
    this.refusal = refusal
  }
}

export function refuse(what: string, remedy: string): Refused {
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
export const port = fromText('whole number from 0 to 65535', (value) => {
  const number = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN
  if (number <= 65_535) return number
  return refuse(
    'must be a whole number from 0 to 65535',
    /^tcp:\/\//.test(value)
      ? 'Kubernetes sets this for a service of that name: give the pod enableServiceLinks: false.'
      : 'Use digits only, from 0 to 65535.',
  )
})

/** Between 0 and 1, both included. */
export const fraction = fromText('number from 0 to 1', (value) => {
  const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN
  return number <= 1 ? number : refuse('must be a number from 0 to 1', 'Write it with a point, such as 0.05.')
})

/** Empty: no limit. */
export const limit = fromText('number of more than 0; empty for no limit', (value): number | null | Refused => {
  if (value === '') return null
  const number = /^\d{1,15}(\.\d+)?$/.test(value) ? Number(value) : 0
  return number > 0
    ? number
    : refuse('must be a number of more than 0', 'Write it such as 25 or 0.5, or leave it empty.')
})

export const wholeLimit = fromText('whole number from 1; empty for no limit', (value): number | null | Refused => {
  if (value === '') return null
  const number = /^\d{1,15}$/.test(value) ? Number(value) : 0
  return number > 0 ? number : refuse('must be a whole number from 1', 'Use digits only, or leave it empty.')
})
const duration = (unit: string, most: number) =>
  fromText(`${unit}, more than 0 and at most ${most}`, (value) => {
    const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN
    if (number > 0 && number <= most) return number
    return refuse(
      `must be a number of ${unit}, more than 0 and at most ${most}`,
      `Write the ${unit} as a plain number, such as 30 or 0.5.`,
    )
  })

/** A duration; fractions are fine. */
export const seconds = duration('seconds', longestTimerSeconds)
/** The pause of a timer, too. */
export const timerHours = duration('hours', Math.floor(longestTimerSeconds / 3600))
export const hours = duration('hours', 87_600)
export const days = duration('days', 3_650)

export const flag = fromText('true, 1, yes, on, false, 0, no or off', (value) => {
  const word = value.toLowerCase()
  if (['true', '1', 'yes', 'on'].includes(word)) return true
  if (['false', '0', 'no', 'off'].includes(word)) return false
  return refuse('must be a yes or a no', 'Use true, 1, yes or on; or false, 0, no or off.')
})

/** One of a few words, in any case; the value has the table's spelling. */
/** @param refused words that somebody may expect, with what is wrong with each and what to do */
export function choice<const Word extends string>(
  words: readonly Word[],
  refused: Readonly<Record<string, readonly [what: string, remedy: string]>> = {},
): z.ZodType<Word, string> {
  const shown = words.map((word) => (word === '' ? 'empty' : word)).join(', ')
  return fromText(shown, (value) => {
    const found = words.find((word) => word.toLowerCase() === value.toLowerCase())
    const known = refused[value.toLowerCase()]
    if (known !== undefined) return refuse(...known)
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

/** A container image: registry, path, tag or digest. What an engine would take for an option is none. */
export const imageName = fromText('image name', (value) =>
  /^[a-zA-Z0-9][\w.:/@-]{0,254}$/.test(value)
    ? value
    : refuse('must be the name of an image', 'Give it as registry/name:tag, such as debian:bookworm-slim.'),
)

/** An HTTP address without a trailing slash, so that paths can be appended. */
export const httpUrl = fromText('http or https address', (value) => {
  const url = URL.parse(value)
  if (url !== null && ['http:', 'https:'].includes(url.protocol)) return value.replace(/\/+$/, '')
  return refuse('must be an http or https address', 'Give the whole address, such as http://localhost:8000.')
})

/** An address that executors in containers speak to: plain, since what they send is not to be taken apart on its way. */
export const callbackUrl = fromText('http address without a path', (value) => {
  const url = URL.parse(value)
  if (url?.protocol === 'http:' && url.pathname === '/' && url.search === '' && url.username === '') return url.origin
  return refuse(
    'must be an http address without a path',
    'Give host and port, such as http://host.docker.internal:8001.',
  )
})

/** A network of the container engine. In the host's own, or in that of another container, a sandbox would be none. */
export const networkName = fromText('name of a network', (value) =>
  /^[a-zA-Z0-9][\w.-]{0,127}$/.test(value) && value !== 'host'
    ? value
    : refuse('must be the name of a network, and not host', 'Use none, bridge, or a network that you have made.'),
)

/** Empty, or the connection string of a PostgreSQL. */
export const postgresUrl = fromText('postgresql://user:password@host:5432/database', (value) => {
  if (value === '') return value
  const url = URL.parse(value)
  if (url !== null && ['postgres:', 'postgresql:'].includes(url.protocol)) return value
  return refuse('must be a PostgreSQL connection string', 'Use postgresql://user:password@host:5432/database.')
})

/** Empty, or an address without a trailing slash. */
export const optionalHttpUrl = fromText('http or https address', (value) => {
  if (value === '') return value
  const parsed = httpUrl.safeParse(value)
  return parsed.success
    ? parsed.data
    : refuse('must be an http or https address', 'Give the whole address, or leave it empty.')
})

/** Empty, or the address of a WebSocket server, without a trailing slash. */
export const optionalWsUrl = fromText('ws or wss address', (value) => {
  if (value === '' || ['ws:', 'wss:'].includes(URL.parse(value)?.protocol ?? '')) return value.replace(/\/+$/, '')
  return refuse('must be a ws or wss address', 'Give the whole address, such as wss://example.com, or leave it empty.')
})

/** Empty, or the address of a Redis. */
export const redisUrl = fromText(
  'redis://user:password@host:6379/0, rediss:// for TLS, or unix:///run/redis.sock?db=0',
  (value) => {
    if (value === '') return value
    const url = URL.parse(value)
    const isRedis = url !== null && ['redis:', 'rediss:'].includes(url.protocol) && url.hostname !== ''
    if (isRedis && /^\/?\d*$/.test(url.pathname)) return value
    const isSocket = url !== null && url.protocol === 'unix:' && url.hostname === '' && url.pathname.length > 1
    if (isSocket && /^\d*$/.test(url.searchParams.get('db') ?? '')) return value
    return refuse(
      'must be the address of a Redis',
      'Use redis://user:password@host:6379/0, rediss:// for TLS, or unix:///run/redis.sock?db=0 for a socket.',
    )
  },
)

/** Empty, or where history goes. `sqlite:` reads its path as URLs do: three slashes begin an absolute one, none a relative one. */
export const historyUri = fromText(
  'sqlite:///folder/file.db or postgresql://user:password@host:5432/database',
  (value) => {
    if (value === '' || postgresUrl.safeParse(value).success) return value
    if (/^sqlite:(?!\/\/[^/])./.test(value) && sqlitePath(value) !== null) return value
    return refuse(
      'must be the address of an archive',
      'Use sqlite:///var/lib/tutti/history.db, sqlite:history.db for a file in the working directory, or postgresql://user:password@host:5432/database.',
    )
  },
)

/** The file that a sqlite: address names, absolute; null when it names none. */
export function sqlitePath(uri: string): string | null {
  const path = uri.replace(/^sqlite:(\/\/)?/, '')
  return path === '' || path.endsWith('/') ? null : resolve(path)
}

/** Bytes of a secret that signs: fewer than 32 could be guessed. */
export const signingKey = fromText('text of at least 32 bytes', (value) =>
  value === '' || Buffer.byteLength(value, 'utf8') >= 32
    ? value
    : refuse('is shorter than 32 bytes', 'Set a random value, such as from `openssl rand -hex 32`.'),
)

/** A path of the API without its slashes; empty is the root. */
export const pathPrefix = fromText('path such as api or jobs/api; empty for the root', (value) => {
  const path = value.replace(/^\/+|\/+$/g, '')
  if (path === '' || /^[A-Za-z0-9._~-]+(\/[A-Za-z0-9._~-]+)*$/.test(path)) return path
  return refuse('must be a path', 'Use letters, digits, dots and dashes, with slashes between.')
})

/** A part of the names of keys. */
export const keyPrefix = fromText('letters, digits and _ . : -', (value) =>
  /^[A-Za-z0-9_.:-]{1,64}$/.test(value)
    ? value
    : refuse('must be 1 to 64 letters, digits and _ . : -', 'Braces would move all keys into one slot of a cluster.'),
)

/** Rates by skill, such as `mail.send=100/1m, sms=5/1s`. */
export const skillRates = fromText('skill=count/time, separated by commas, such as mail.send=100/1m', (value) => {
  const rates: Record<string, Rate> = {}
  for (const part of value.split(',').flatMap((piece) => piece.trim() || [])) {
    const [, skill, written] = /^([A-Za-z0-9_.:-]{1,128})\s*=\s*(.+)$/.exec(part) ?? []
    const rate = written === undefined ? null : readRate(written)
    if (skill === undefined || rate === null)
      return refuse(`holds a part that is no rate: “${part.slice(0, 80)}”`, 'Write skill=count/time, such as sms=5/1s.')
    if (skill in rates) return refuse(`limits ${skill} twice`, 'Leave one of the two.')
    rates[skill] = rate
  }
  return rates
})

/** A folder, made absolute, so that a later change of the working directory can't move it. Empty stays empty. */
export const folder = fromText('folder', (value) => (value === '' ? '' : resolve(value)))

export const folderList = fromText('absolute folders, separated by “:”', (value) => {
  const folders = value.split(':').filter((part) => part !== '')
  if (folders.every((part) => isAbsolute(part))) return folders.map((part) => resolve(part))
  return refuse('must list absolute folders', 'Separate absolute folders with “:”, such as /srv/a:/srv/b.')
})

/** Patterns as in .gitignore, one per line or separated by commas. */
export const ignorePatterns = fromText('patterns as in .gitignore', (value) =>
  value
    .split(/[\n,]/)
    .map((part) => part.trim())
    .filter((part) => part !== '' && !part.startsWith('#')),
)

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

/** Beginnings of keys that end with a slash, so that `data/` never opens `database/`. */
export const keyFolders = fromText('folders that end with a slash, separated by commas, such as datasets/', (value) => {
  const folders = value.split(',').flatMap((name) => name.trim() || [])
  if (folders.every((each) => /^(?!jobs\/|payloads\/)[^/\\]+\/([^/\\]+\/)*$/.test(each))) return folders
  return refuse(
    'must list folders other than jobs/ and payloads/, each with a slash at its end',
    'Separate them with commas, such as datasets/,models/.',
  )
})

/** Hosts that may be reached. */
export const allowedHosts = fromText(
  'host names, *.names for all below, with :port where it is neither 80 nor 443; separated by commas',
  (value): readonly AllowedHost[] | Refused => {
    const hosts: AllowedHost[] = []
    for (const text of value.split(',').flatMap((part) => part.trim() || [])) {
      const host = readAllowedHost(text)
      if (host === undefined)
        return refuse(
          `holds “${text.slice(0, 80)}”, which is no host`,
          'Write example.com, *.example.com or git.example.com:22.',
        )
      hosts.push(host)
    }
    return hosts
  },
)
/** Empty, or one folder of keys, made to end with a slash. */
export const keyFolder = fromText('folder of keys, such as tutti/; empty for none', (value) => {
  const path = value.replace(/^\/+|\/+$/g, '')
  if (path === '') return ''
  const isPath = path.split('/').every((part) => /^[\w.-]{1,100}$/.test(part) && part !== '.' && part !== '..')
  return isPath
    ? `${path}/`
    : refuse('must be a folder of letters, digits and _ . -', 'Write it such as tutti/ or team-a/tutti/.')
})

/** Names of models; `*` stands for any text. */
export const modelPatterns = fromText('names of models, separated by commas; * stands for any text', (value) =>
  value.split(',').flatMap((name) => name.trim() || []),
)
