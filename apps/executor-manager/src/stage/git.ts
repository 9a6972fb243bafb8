/**
 * git on the host, for repositories that nobody has looked at. It runs only in folders of our own making: the configuration
 * of a clone that an agent can write to names programs, which git would run here.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { RunFault } from '../fault.ts'

export interface GitOptions {
  /** A transport of git; all others are refused, also in what a repository leads on to. */
  protocol: string
  token: string | null
  timeoutMs: number
  signal: AbortSignal
  /** Certificates of the servers, where the system's do not do. */
  caFile?: string | undefined
}

const askpass = fileURLToPath(new URL('./askpass.sh', import.meta.url))

/** More of what git says is not read. */
const mostSaid = 4_000

/** @throws RunFault REPOSITORY_FAILED with what git said */
export const git = async (args: readonly string[], options: GitOptions): Promise<string> => {
  const { protocol, token, signal } = options
  const settings = [
    ...[
      'protocol.allow=never',
      `protocol.${protocol}.allow=always`,
      'core.hooksPath=/dev/null',
      'core.fsmonitor=false',
    ],
    // A server that leads elsewhere would have the token sent there.
    ...[
      'http.followRedirects=false',
      'credential.helper=',
      'submodule.recurse=false',
      'gc.auto=0',
      'maintenance.auto=false',
    ],
    ...['fetch.fsckObjects=true', 'core.protectHFS=true', 'core.protectNTFS=true', 'advice.detachedHead=false'],
  ]
  const child = spawn('git', [...settings.flatMap((setting) => ['-c', setting]), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...{ PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: '/nonexistent', LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0' },
      ...{
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_ALLOW_PROTOCOL: protocol,
        GIT_LFS_SKIP_SMUDGE: '1',
      },
      ...(options.caFile === undefined ? {} : { GIT_SSL_CAINFO: options.caFile }),
      ...(token === null ? {} : { GIT_ASKPASS: askpass, TUTTI_GIT_USER: 'x-access-token', TUTTI_GIT_TOKEN: token }),
    },
    // A group of its own: what fetches is a child of a child.
    detached: true,
  })
  const kill = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
  let said = ''
  let answer = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-mostSaid)
  })
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    answer = (answer + text).slice(0, mostSaid)
  })
  let late = false
  const timer = setTimeout(() => {
    late = true
    kill()
  }, options.timeoutMs)
  signal.addEventListener('abort', kill, { once: true })
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
      if (signal.aborted) kill()
    })
    signal.throwIfAborted()
    if (late) throw failed('it took too long', true)
    if (code !== 0) throw failed(shown(said, token), isPassing(said))
    return answer.trim()
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', kill)
  }
}

const failed = (why: string, retryable: boolean): RunFault =>
  new RunFault('REPOSITORY_FAILED', `The repository could not be fetched: ${why}`, { retryable })

/** The last lines, without what a server may have echoed of the token. */
const shown = (said: string, token: string | null): string => {
  const lines = said.trim().split('\n').slice(-3).join(' ')
  return (token ? lines.replaceAll(token, '…') : lines) || 'git gave no reason'
}

/** The network may come back; a wrong token, branch or address stays wrong. */
const isPassing = (said: string): boolean =>
  /Could not resolve host|Connection (?:refused|reset|timed out)|early EOF|unexpected disconnect|HTTP 5\d\d|returned error: 5\d\d/i.test(
    said,
  )
