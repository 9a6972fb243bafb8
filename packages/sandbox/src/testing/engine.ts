/**
 * A Docker Engine of a test's own: with its own data, socket and containers, so that no test meets a neighbour's, and
 * nothing of it is left on the machine.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createEngine, type Engine } from '../docker/engine.ts'

const run = promisify(execFile)

/** The name that the base image gets; the same as at the registry, so that Dockerfiles build on it unchanged. */
export const BASE_IMAGE = 'debian:bookworm-slim'

const CACHE = '/var/cache/tutti'
const MIRROR = 'http://deb.debian.org/debian'

export interface TestEngine {
  /** As for `DOCKER_HOST`. */
  address: string
  engine: Engine
  /** Folder of everything that is the engine's: `data` is its data root. */
  root: string
  stop(): Promise<void>
}

/** Why no engine is started; undefined where one is. Only when asked for: what it needs is large, and takes its time. */
export function noEngine(): string | undefined {
  if (!process.env.TUTTI_REQUIRE_DOCKER) return 'no container engine was asked for: see npm run nightly'
  const faults = [
    ...(process.getuid?.() === 0 ? [] : ['only root can start one']),
    ...['dockerd', 'debootstrap'].flatMap((program) => (onPath(program) ? [] : [`${program} is not installed`])),
  ]
  if (faults.length === 0) return undefined
  const why = `no container engine: ${faults.join(', ')} (apt-get install docker.io debootstrap)`
  // Where it must be tested, a test that is left out is a fault.
  throw new Error(why)
}

/**
 * Starts one with the base image in it. It ends with `stop`, or with this process.
 * @param options.hostGateway what `host.docker.internal` leads to in containers; without, it is not there
 */
export async function startEngine({ hostGateway }: { hostGateway?: string } = {}): Promise<TestEngine> {
  const base = await baseArchive()
  const root = mkdtempSync(join(tmpdir(), 'tutti-engine-'))
  const address = `unix://${root}/docker.sock`
  const log = join(root, 'log')
  // `setpriv`: a test run that is killed leaves no engine behind. No bridge, no rules: the host's network is not ours.
  const child = spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'SIGTERM', 'dockerd', '--host', address, '--data-root', join(root, 'data')],
      ...['--exec-root', join(root, 'exec'), '--pidfile', join(root, 'pid'), '--group', '0'],
      ...['--bridge', 'none', '--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false'],
      ...['--shutdown-timeout', '2'],
      ...(hostGateway === undefined ? [] : ['--host-gateway-ip', hostGateway]),
    ],
    { stdio: ['ignore', openSync(log, 'a'), openSync(log, 'a')] },
  )
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    await run('sh', ['-c', 'grep -o "$1[^ ]*" /proc/mounts | sort -r | xargs -r umount -l', 'sh', `${root}/`]).catch(
      () => undefined,
    )
    rmSync(root, { recursive: true, force: true })
  }
  try {
    const engine = await createEngine(address)()
    await answering(engine, child, log)
    const [repo = '', tag = ''] = BASE_IMAGE.split(':')
    const progress = await engine.importImage(base, { repo, tag })
    progress.resume()
    await once(progress, 'end')
    return { address, engine, root, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function answering(engine: Engine, child: ChildProcess, log: string): Promise<void> {
  for (;;) {
    try {
      await engine.ping()
      return
    } catch {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`dockerd ended: ${readFileSync(log, 'utf8').trim().split('\n').slice(-5).join('\n')}`)
      }
      await delay(50)
    }
  }
}

/** A Debian of 60 MB in place of one that would be pulled. Made once on a machine: it takes half a minute. */
async function baseArchive(): Promise<string> {
  const archive = join(CACHE, 'bookworm-minbase.tar')
  mkdirSync(CACHE, { recursive: true, mode: 0o700 })
  const script = `[ -f "$1" ] && exit 0
    rm -rf "$1.root" && debootstrap --variant=minbase --include=ca-certificates bookworm "$1.root" ${MIRROR} >"$1.log" 2>&1 || exit 1
    cd "$1.root" && rm -rf var/cache/apt/* var/lib/apt/lists/* usr/share/doc usr/share/man usr/share/locale usr/share/info
    tar -cf "$1.new" . && mv "$1.new" "$1" && rm -rf "$1.root"`
  try {
    // One at a time: test files run side by side.
    await run('flock', [`${archive}.lock`, 'sh', '-c', script, 'sh', archive], { timeout: 300_000 })
  } catch (error) {
    const said = existsSync(`${archive}.log`) ? readFileSync(`${archive}.log`, 'utf8').slice(-500) : ''
    throw new Error(`debootstrap made no base image: ${said}`, { cause: error })
  }
  return archive
}

function onPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
