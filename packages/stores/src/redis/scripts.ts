/** The Lua scripts: one file per operation, with the shared parts that its first line names in front of it. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { ErrorReply } from 'redis'
import type { RedisConnection } from './connection.ts'

const folder = new URL('./scripts/', import.meta.url)

interface Script {
  text: string
  sha: string
}

const load = (file: string): Script => {
  const own = readFileSync(new URL(file, folder), 'utf8')
  const shared = /^-- needs: (.*)$/m.exec(own)?.[1]?.split(' ') ?? []
  const parts = shared.map((part) => readFileSync(new URL(`shared/${part}.lua`, folder), 'utf8'))
  const text = [...parts, own].join('\n')
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

const scripts = new Map(
  readdirSync(folder)
    .filter((file) => file.endsWith('.lua'))
    .map((file) => [file.slice(0, -'.lua'.length), load(file)]),
)

/** Runs the operation of that name. The answer's shape is what the head of its script says. */
export type Run = <T>(operation: string, args: (string | number)[]) => Promise<T>

export const createRun =
  (connection: RedisConnection, root: string): Run =>
  async <T>(operation: string, args: (string | number)[]): Promise<T> => {
    const script = scripts.get(operation)
    if (!script) throw new Error(`there is no script ${operation}.lua`)
    const rest = ['1', root, ...args.map(String)]
    try {
      return (await connection.send(['EVALSHA', script.sha, ...rest])) as T
    } catch (error) {
      // A server that was restarted, or took over, knows no scripts. The text is kept by it from then on.
      if (error instanceof ErrorReply && error.message.startsWith('NOSCRIPT'))
        return (await connection.send(['EVAL', script.text, ...rest])) as T
      throw error
    }
  }
