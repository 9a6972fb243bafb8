/**
 * The repository of a session: cloned once, through a mirror that this host keeps of it for the user. A clone that is there
 * is the agent's: with its branches and uncommitted work it is left as it is. One that a message brings along is fetched without
 * its history, and without a mirror: it is looked at once.
 */
import { createHash, randomBytes } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { BlockList, isIP } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PlannedRepository } from '@tutti/contracts'
import { errnoOf, RunFault } from '../fault.ts'
import type { Directory } from '../files/directory.ts'
import { allowedFolder } from './folder.ts'
import { type GitOptions, git } from './git.ts'
import { segmentsOf } from './paths.ts'
import { withFolder } from './place.ts'

export interface RepositoryOptions {
  workspaceRoot: string
  userId: string
  stagingRoots: readonly string[]
  /** Whether servers in the private network may be asked: GIT_PRIVATE_HOSTS. */
  privateHosts: boolean
  caFile?: string | undefined
  /** WORKSPACE_GIT_IGNORE: what git is to pass over in the clone, beside what the repository says itself. */
  patterns: readonly string[]
  timeoutMs: number
  signal: AbortSignal
  /** Awaited before the clone is put into the workspace. */
  beforeChange?: (() => Promise<void> | undefined) | undefined
}

export const placeRepository = async (
  workspace: Directory,
  repository: PlannedRepository,
  options: RepositoryOptions,
): Promise<void> => {
  const segments = segmentsOf(repository.path)
  const name = segments.at(-1)
  if (name === undefined) throw refused('it needs a folder of its own in the workspace')
  const branch = checkBranch(repository.branch)
  await withFolder(workspace, segments.slice(0, -1), async (folder) => {
    if (await isThere(folder, name, repository)) return
    const source = await checkSource(repository.url, options)
    const clone = join(options.workspaceRoot, 'temp', `clone-${randomBytes(8).toString('hex')}`)
    try {
      const common = { timeoutMs: options.timeoutMs, signal: options.signal, caFile: options.caFile }
      const only = branch === null ? [] : ['--branch', branch]
      await cloneInto(clone, only, source, repository, options, common)
      await git(['-C', clone, 'remote', 'set-url', 'origin', source.url], { ...common, protocol: 'file', token: null })
      await exclude(clone, options.patterns)
      await options.beforeChange?.()
      await folder.removeEmpty(name)
      await folder.moveIn(clone, name)
    } finally {
      await rm(clone, { recursive: true, force: true })
    }
  })
}

/** In the clone alone: a .gitignore would be a change of the repository. */
const exclude = async (clone: string, patterns: readonly string[]): Promise<void> => {
  if (patterns.length === 0) return
  await mkdir(join(clone, '.git', 'info'), { recursive: true })
  await writeFile(join(clone, '.git', 'info', 'exclude'), `${patterns.join('\n')}\n`)
}

const cloneInto = async (
  clone: string,
  only: readonly string[],
  source: Source,
  { token, shallow }: PlannedRepository,
  options: RepositoryOptions,
  common: CommonOptions,
): Promise<void> => {
  const quietly = ['clone', '--quiet', '--template=', ...only]
  if (shallow) {
    await mkdir(join(options.workspaceRoot, 'temp'), { recursive: true, mode: 0o700 })
    const once = ['--depth=1', '--no-recurse-submodules', '--', source.url, clone]
    await git([...quietly, ...once], { ...common, protocol: source.protocol, token })
    return
  }
  const mirror = await updatedMirror(source, token, options, common)
  const local: GitOptions = { ...common, protocol: 'file', token: null }
  await git([...quietly, '--no-hardlinks', '--', `file://${mirror}`, clone], local)
}

/** Whether the session has the clone. Something else in its place is not overwritten. */
const isThere = async (
  folder: Directory,
  name: string,
  { path, shallow }: Pick<PlannedRepository, 'path' | 'shallow'>,
): Promise<boolean> => {
  if (!(await folder.has(name))) return false
  const inner = await folder.directory(name)
  if (inner === undefined) throw refused(`${JSON.stringify(path)} in the workspace is a link or a file`)
  try {
    if (await inner.has('.git')) return true
    if ((await inner.entries()).length === 0) return false
    // Its files came with the session's snapshot, which has no histories.
    if (shallow) return true
    throw refused(`${JSON.stringify(path)} in the workspace holds something else`)
  } finally {
    await inner.close()
  }
}

type CommonOptions = Omit<GitOptions, 'protocol' | 'token'>

interface Source {
  url: string
  protocol: 'https' | 'file'
}

const checkSource = async (text: string, options: RepositoryOptions): Promise<Source> => {
  if (!URL.canParse(text) || /[\p{Cc}\s]/u.test(text)) throw refused('its address is no URL, such as https://host/path')
  const url = new URL(text)
  if (url.username !== '' || url.password !== '')
    throw refused('its address holds a name or a password: store the token as a secret, and name that')
  if (url.protocol === 'file:') {
    const folder = await allowedFolder(fileURLToPath(url), options.stagingRoots)
    return { url: `file://${folder}`, protocol: 'file' }
  }
  if (url.protocol !== 'https:') throw refused(`the transport ${url.protocol.slice(0, -1)} is not allowed: use https`)
  if (!options.privateHosts) await refusePrivate(url.hostname.replace(/^\[|\]$/g, ''))
  return { url: url.href, protocol: 'https' }
}

const privateNetworks = new BlockList()
for (const [network, prefix] of [
  ...([
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    ['169.254.0.0', 16],
  ] as const),
  ...([
    ['172.16.0.0', 12],
    ['192.0.0.0', 24],
    ['192.168.0.0', 16],
    ['198.18.0.0', 15],
    ['224.0.0.0', 3],
  ] as const),
])
  privateNetworks.addSubnet(network, prefix, 'ipv4')
for (const [network, prefix] of [
  ['::', 128],
  ['::1', 128],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  privateNetworks.addSubnet(network, prefix, 'ipv6')

/** An address like this reaches what trusts this host: a metadata service, a database without a password. */
const refusePrivate = async (host: string): Promise<void> => {
  const addresses = isIP(host)
    ? [host]
    : (await lookup(host, { all: true }).catch(unknownHost)).map(({ address }) => address)
  for (const address of addresses) {
    if (privateNetworks.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'))
      throw refused(`${host} is in a private network: the operator can allow that with GIT_PRIVATE_HOSTS`)
  }
}

const unknownHost = (cause: unknown): never => {
  throw new RunFault('REPOSITORY_FAILED', 'The repository could not be fetched: its host is not known', {
    retryable: errnoOf(cause) !== 'ENOTFOUND',
    cause,
  })
}

/** git reads a name that begins with a dash as an option. */
const checkBranch = (branch: string | null): string | null => {
  if (branch === null || /^[A-Za-z0-9_][A-Za-z0-9_./+@-]*$/.test(branch)) return branch
  throw refused('the name of its branch has characters that are not allowed')
}

/** One at a time per mirror. */
const atWork = new Map<string, Promise<unknown>>()

/**
 * A bare copy on this host, per user, brought up to date. Who may not read the repository any more gets nothing of it: the
 * server is asked each time, with this run's token.
 */
const updatedMirror = async (
  source: Source,
  token: string | null,
  options: RepositoryOptions,
  common: CommonOptions,
): Promise<string> => {
  const name = createHash('sha256').update(`${options.userId}\0${source.url}`).digest('hex')
  const mirror = join(options.workspaceRoot, 'cache', 'repositories', `${name}.git`)
  const before = atWork.get(mirror)
  const update = async (): Promise<void> => {
    await before?.catch(() => undefined)
    await mkdir(join(options.workspaceRoot, 'temp'), { recursive: true, mode: 0o700 })
    await mkdir(mirror, { recursive: true, mode: 0o700 })
    const remote: GitOptions = { ...common, protocol: source.protocol, token }
    // Making it again changes nothing, and mends one that was interrupted.
    await git(['init', '--quiet', '--bare', '--template=', mirror], remote)
    const refs = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*']
    await git(
      ['-C', mirror, 'fetch', '--quiet', '--prune', '--no-recurse-submodules', '--', source.url, ...refs],
      remote,
    )
    const head = await git(['ls-remote', '--symref', '--', source.url, 'HEAD'], remote)
    const named = /^ref: (refs\/heads\/\S+)\tHEAD$/m.exec(head)?.[1]
    if (named !== undefined) await git(['-C', mirror, 'symbolic-ref', 'HEAD', named], remote)
  }
  const one = update()
  atWork.set(mirror, one)
  try {
    await one
    return mirror
  } finally {
    if (atWork.get(mirror) === one) atWork.delete(mirror)
  }
}

const refused = (why: string): RunFault => new RunFault('REPOSITORY_REFUSED', `The repository can’t be used: ${why}`)
