/** Options that several commands share, and how they become a stack's. */
import { resolve } from 'node:path'
import type { Logger } from '@tutti/telemetry'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { UsageError } from '../faults.ts'
import type { Environment } from '../stack/process.ts'
import type { StackOptions } from '../stack/stack.ts'

export const port = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > 65_535) throw new InvalidArgumentError('a port is 0 to 65535')
  return value
}

/** Where state is kept unless told otherwise. */
export const defaultDataDir = (env: Environment): string => resolve(env.TUTTI_DATA_DIR ?? '.tutti')

export interface StackFlags {
  dataDir?: string
  host: string
  apiPort?: number
  port?: number
  managerPort?: number
  split: boolean
  storage: 'postgres' | 'memory' | 'redis'
  sandbox: 'bubblewrap' | 'none' | 'docker'
  blueprints?: string
  allowFolder: string[]
}

export const storageOption = (): Option =>
  new Option('--storage <kind>', 'where jobs are kept').choices(['postgres', 'memory', 'redis']).default('postgres')

export const sandboxOption = (): Option =>
  new Option('--sandbox <kind>', 'what contains agents').choices(['bubblewrap', 'docker', 'none']).default('bubblewrap')

export const withStackFlags = (command: Command): Command =>
  command
    .option('--data-dir <folder>', 'where everything is kept (default: $TUTTI_DATA_DIR or .tutti)')
    .option('--host <address>', 'address that the servers listen on', '127.0.0.1')
    .option(
      '--api-port <port>',
      'port of the orchestrator; 0 takes any that is free (default: $API_PORT or 8080)',
      port,
    )
    .option('--port <port>', 'port of the backend; 0 takes any that is free (default: $PORT or 8000)', port)
    .option('--manager-port <port>', 'port of the executor manager (default: $MANAGER_PORT or 8001)', port)
    .option('--split', 'each server in a process of its own', false)
    .addOption(storageOption())
    .addOption(sandboxOption())
    .option('--blueprints <folder>', 'folder of blueprint files (default: $BLUEPRINTS_DIR)')
    .option('--allow-folder <folder>', 'agents may be given a copy of what is in it; repeatable', collect, [])

const collect = (value: string, former: string[]): string[] => [...former, resolve(value)]

/** @throws UsageError for what does not exist yet, saying so */
export const stackOptions = (flags: StackFlags, env: Environment, log: Logger): StackOptions => {
  if (flags.storage === 'memory' && flags.split)
    throw new UsageError('--storage memory lives in one process: leave out --split')
  const unlistable = flags.allowFolder.find((folder) => folder.includes(':'))
  if (unlistable !== undefined)
    throw new UsageError(`agents can't be given ${unlistable}: a colon divides the folders of STAGING_ROOTS`)
  return {
    dataDir: flags.dataDir ?? defaultDataDir(env),
    host: flags.host,
    ports: {
      api: flags.apiPort ?? portOf(env, 'API_PORT') ?? 8080,
      backend: flags.port ?? portOf(env, 'PORT') ?? 8000,
      manager: flags.managerPort ?? portOf(env, 'MANAGER_PORT') ?? 8001,
    },
    split: flags.split,
    storage: flags.storage,
    sandbox: flags.sandbox,
    blueprintsDir: flags.blueprints ? resolve(flags.blueprints) : env.BLUEPRINTS_DIR || null,
    stagingRoots: [...(env.STAGING_ROOTS ?? '').split(':').filter((root) => root !== ''), ...flags.allowFolder],
    env,
    log,
  }
}

const portOf = (env: Environment, name: string): number | undefined => {
  const text = env[name]
  if (!text) return undefined
  try {
    return port(text)
  } catch {
    throw new UsageError(`${name} is "${text}": a port is 0 to 65535`)
  }
}

/** Loaded with what it writes with by the commands that log at all: two hundred modules. */
export const logger = async (env: Environment): Promise<Logger> => {
  const { createLogger } = await import('@tutti/telemetry')
  return createLogger({
    level: (env.LOG_LEVEL as 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | undefined) ?? 'INFO',
    format: env.LOG_FORMAT === 'json' ? 'json' : 'text',
    name: 'tutti',
  })
}
