/**
 * Sets up what is missing, then runs a command of Tutti on the project's own Node. It runs before anything is installed, so
 * it must be JavaScript that an old Node (18 or newer) can read, and may import nothing but Node's own modules.
 *
 *   node scripts/run.mjs demo …   node scripts/run.mjs start …   node scripts/run.mjs test …   node scripts/run.mjs nightly
 *   node scripts/run.mjs install
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = join(root, 'node_modules', '.bin')
const node = join(bin, 'node')
const stamp = join(root, 'node_modules', '.tutti-installed')

/** Progress goes to stderr: with --json, stdout belongs to the one document. */
const say = (text) => process.stderr.write(`${text}\n`)

/** 3: something is missing on this machine; 2: it was asked for something that there is not. */
const stop = (text, exitCode = 3) => {
  say(text)
  process.exit(exitCode)
}

const run = (command, args, options = {}) =>
  spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options }).status === 0

const installPackages = () => {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(node) && existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  say('Installing packages (npm ci) …')
  if (!run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']))
    stop('npm ci failed; its output is above. Mend that and start again.')
  if (!existsSync(node))
    stop('npm ci brought no Node: its install script was refused. Run: npm install-scripts approve node')
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, lock)
}

const onPath = (program) =>
  (process.env.PATH ?? '').split(':').some((folder) => folder !== '' && existsSync(join(folder, program)))

/** Debian packages that bring programs npm cannot. */
const installPrograms = (programs) => {
  const missing = programs.filter(({ program }) => !onPath(program))
  if (missing.length === 0) return
  const packages = missing.map(({ debian }) => debian)
  const command = `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`
  if (process.getuid?.() !== 0 || !onPath('apt-get'))
    stop(
      `Missing on this machine: ${missing.map(({ program, why }) => `${program} (${why})`).join(', ')}.\nInstall it, on Debian or Ubuntu with: sudo sh -c '${command}'`,
    )
  say(`Installing ${packages.join(', ')} from Debian: ${missing.map(({ why }) => why).join('; ')} …`)
  const quiet = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }
  const install = () => run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], quiet)
  if (!(run('apt-get', ['update', '-qq'], quiet) && install())) stop(`That failed. Install it by hand: ${command}`)
}

const bubblewrap = { program: 'bwrap', debian: 'bubblewrap', why: 'the sandbox that agents run in' }
const redis = { program: 'redis-server', debian: 'redis-server', why: 'the store that was asked for' }
/** Of the nightly tests, which start an engine for themselves. */
const enginePrograms = [
  { program: 'dockerd', debian: 'docker.io', why: 'the other sandbox' },
  { program: 'debootstrap', debian: 'debootstrap', why: 'makes its image' },
  { program: 'docker-compose', debian: 'docker-compose', why: 'starts the stack of deploy/' },
]
/** Of the tests alone. Go is not among them: it is large, and the tests of workers in Go say that they were skipped. */
const testPrograms = [
  { ...redis, why: 'one of the stores' },
  { program: 'redis-cli', debian: 'redis-tools', why: 'makes clusters of it' },
  { program: 'openssl', debian: 'openssl', why: 'certificates' },
  { program: 'chromium', debian: 'chromium', why: 'the browser that agents are given' },
  { program: 'python3', debian: 'python3', why: 'workers in Python' },
]

/** As commander reads it: --name value, or --name=value. */
const asksFor = (args, name, value) =>
  args.some((arg, at) => arg === `${name}=${value}` || (arg === name && args[at + 1] === value))
const hasRedis = () =>
  process.env.REDIS_HOST ||
  process.env.REDIS_URL ||
  (existsSync(join(root, '.env')) &&
    /^\s*(export\s+)?REDIS_(HOST|URL)=\s*[^\s#]/m.test(readFileSync(join(root, '.env'), 'utf8')))

const programsFor = (command, args) => [
  // Left out where that is asked for by name, so nobody runs an agent unsandboxed because a program was missing.
  ...(asksFor(args, '--sandbox', 'none') ? [] : [bubblewrap]),
  ...(command === 'test' ? testPrograms : []),
  ...(command === 'nightly' ? [...testPrograms, ...enginePrograms] : []),
  ...(asksFor(args, '--storage', 'redis') && !hasRedis() ? [redis] : []),
]

const [command, ...args] = process.argv.slice(2)
/** What the environment sets already wins over the file. */
const settings = existsSync(join(root, '.env')) ? [`--env-file=${join(root, '.env')}`] : []
const tutti = join(root, 'apps', 'cli', 'src', 'main.ts')
const commands = {
  demo: () => [node, [...settings, tutti, 'demo', ...args]],
  start: () => [node, [...settings, tutti, 'up', ...args]],
  test: () => [join(bin, 'vitest'), ['run', ...args]],
  nightly: () => [node, [join(root, 'scripts', 'nightly.ts')]],
  // Nothing more; the Node that was installed shows that it runs.
  install: () => [node, ['--version']],
}
const target = Object.hasOwn(commands, command ?? '') ? commands[command] : undefined
if (!target) stop(`usage: node scripts/run.mjs ${Object.keys(commands).join('|')} …`, 2)
const major = Number(process.versions.node.split('.')[0])
if (major < 18)
  stop(`Node ${process.versions.node} is too old to set Tutti up: install Node 20 or newer, then start again.`)

installPackages()
installPrograms(programsFor(command, args))

const [program, programArgs] = target()
// Before the start, since a signal may come at once. Ended before what it started, this process would leave that behind;
// Ctrl+C reaches both by itself.
let child
process.on('SIGINT', () => {})
for (const signal of ['SIGTERM', 'SIGHUP'])
  process.on(signal, () => (child === undefined ? process.exit(1) : child.kill(signal)))
child = spawn(program, programArgs, {
  stdio: 'inherit',
  env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
})
child.on('error', (error) => stop(`${program} can't be started: ${error.message}`))
child.on('exit', (code) => process.exit(code ?? 1))
