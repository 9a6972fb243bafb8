/** scripts/run.mjs, which sets a machine up: here beside a project that is a stand-in, so that nothing is installed. */
import { createHash } from 'node:crypto'
import { chmod, copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { repositoryRoot } from '../src/repository.ts'
import { type Started, start } from './support/processes.ts'
import { scratch } from './support/scratch.ts'

interface Project {
  folder: string
  /** What there is on the machine's PATH. */
  programs: string
  run(...args: string[]): Started
}

const script = (text: string): string => `#!/bin/sh\n${text}\n`

/** All that `npm test` needs of a machine. */
const ofTests = ['bwrap', 'redis-server', 'redis-cli', 'openssl', 'chromium', 'python3']

/** @param installed whether the packages are those of the lock file */
const project = async ({ installed = true, programs = ofTests } = {}): Promise<Project> => {
  const folder = await scratch()
  const path = join(folder, 'path')
  const bin = join(folder, 'node_modules', '.bin')
  for (const each of [path, bin, join(folder, 'scripts')]) await mkdir(each, { recursive: true })
  await copyFile(join(repositoryRoot, 'scripts', 'run.mjs'), join(folder, 'scripts', 'run.mjs'))
  await writeFile(join(folder, 'package-lock.json'), '{}')
  const stamp = installed ? createHash('sha256').update('{}').digest('hex') : 'older'
  await writeFile(join(folder, 'node_modules', '.tutti-installed'), stamp)
  const program = async (file: string, text: string): Promise<void> => {
    await writeFile(file, script(text))
    await chmod(file, 0o755)
  }
  await program(join(bin, 'node'), 'echo "node $*"')
  await program(join(bin, 'vitest'), 'echo "vitest $*"')
  await program(join(path, 'npm'), 'echo "npm $*"')
  await symlink('/bin/sh', join(path, 'sh'))
  for (const each of programs) await program(join(path, each), 'true')
  return {
    folder,
    programs: path,
    run: (...args) => start(process.execPath, [join(folder, 'scripts', 'run.mjs'), ...args], { PATH: path }),
  }
}

const outcome = async (started: Started): Promise<[code: number | null, stdout: string, stderr: string]> => {
  const { code } = await started.ended
  return [code, started.stdout(), started.stderr()]
}

test.each([[[]], [['dance']], [['toString']], [['constructor']]])('%j is no command: how it is used', async (args) => {
  const { run } = await project()
  expect(await outcome(run(...args))).toEqual([
    2,
    '',
    'usage: node scripts/run.mjs demo|start|test|nightly|install …\n',
  ])
})

test('a machine that is set up is left alone, and the command gets its arguments', async () => {
  const { run, folder } = await project()
  const tutti = join(folder, 'apps', 'cli', 'src', 'main.ts')
  expect(await outcome(run('demo', '/some folder', '--json'))).toEqual([
    0,
    `node ${tutti} demo /some folder --json\n`,
    '',
  ])
  const env = join(folder, '.env')
  await writeFile(env, 'LOG_LEVEL=DEBUG\n')
  expect(await outcome(run('start'))).toEqual([0, `node --env-file=${env} ${tutti} up\n`, ''])
  expect(await outcome(run('test', 'apps'))).toEqual([0, 'vitest run apps\n', ''])
})

test('packages of another lock file are installed, once, and stdout stays the command’s', async () => {
  const { run } = await project({ installed: false })
  const [code, stdout, stderr] = await outcome(run('test'))
  expect([code, stdout]).toEqual([0, 'vitest run\n'])
  expect(stderr).toBe('Installing packages (npm ci) …\nnpm ci --no-audit --no-fund --loglevel=error\n')
  expect((await outcome(run('test')))[2]).toBe('')
})

test('packages that were installed alone are there for the command that follows', async () => {
  const { run } = await project({ installed: false })
  expect(await outcome(run('install'))).toEqual([
    0,
    'node --version\n',
    'Installing packages (npm ci) …\nnpm ci --no-audit --no-fund --loglevel=error\n',
  ])
  expect(await outcome(run('test'))).toEqual([0, 'vitest run\n', ''])
})

test('npm that fails is no success', async () => {
  const { run, programs, folder } = await project({ installed: false })
  await writeFile(join(programs, 'npm'), script('exit 1'))
  const [code, stdout, stderr] = await outcome(run('demo'))
  expect([code, stdout]).toEqual([3, ''])
  expect(stderr).toContain('npm ci failed')
  expect(await readFile(join(folder, 'node_modules', '.tutti-installed'), 'utf8')).toBe('older')
})

test('without bwrap, and no way to install it: what is missing, why, and the command that brings it', async () => {
  const { run } = await project({ programs: [] })
  const [code, stdout, stderr] = await outcome(run('demo'))
  expect([code, stdout]).toEqual([3, ''])
  expect(stderr).toContain('Missing on this machine: bwrap (the sandbox that agents run in).')
  expect(stderr).toMatch(/sudo sh -c 'apt-get update && apt-get install -y .* bubblewrap'/)
})

test.each([[['--sandbox', 'none']], [['--sandbox=none']], [['/folder', '--json', '--sandbox', 'none']]])(
  'asked for by name (%j), agents run without a sandbox, and none is installed',
  async (args) => {
    const { run } = await project({ programs: [] })
    expect((await outcome(run('demo', ...args)))[0]).toBe(0)
  },
)

test.each([[['none']], [['--sandbox']], [['--sandbox', 'bubblewrap', 'none']]])(
  'nothing less than that (%j) does without one',
  async (args) => {
    const { run } = await project({ programs: [] })
    expect((await outcome(run('demo', ...args)))[0]).toBe(3)
  },
)

test('jobs in Redis need a server only where none is named, and tests need all that they run', async () => {
  const { run, folder } = await project({ programs: ['bwrap'] })
  const redis = ['--storage', 'redis']
  expect((await outcome(run('demo')))[0]).toBe(0)
  const [code, , stderr] = await outcome(run('demo', ...redis))
  expect(code).toBe(3)
  expect(stderr).toContain('Missing on this machine: redis-server (the store that was asked for).')
  expect(stderr).toMatch(/--no-install-recommends redis-server'/)
  await writeFile(join(folder, '.env'), '#REDIS_HOST=one\nREDIS_HOST=\n')
  expect((await outcome(run('demo', ...redis)))[0]).toBe(3)
  await writeFile(join(folder, '.env'), 'REDIS_URL=redis://elsewhere\n')
  expect((await outcome(run('demo', ...redis)))[0]).toBe(0)
  expect((await outcome(run('test')))[2]).toMatch(/install .* redis-server redis-tools openssl chromium python3'/)
})

test('the exit code of the command is its own', async () => {
  const { run, folder } = await project()
  await writeFile(join(folder, 'node_modules', '.bin', 'node'), script('exit 7'))
  expect((await outcome(run('demo')))[0]).toBe(7)
})

test('told to stop, it passes that on, and ends after the command', async () => {
  const { run, folder } = await project()
  const waits = "trap 'echo stopped; exit 0' TERM; echo started; while :; do :; done"
  await writeFile(join(folder, 'node_modules', '.bin', 'node'), script(waits))
  const started = run('start')
  await started.prints(/started/)
  started.kill('SIGTERM')
  expect(await outcome(started)).toEqual([0, 'started\nstopped\n', ''])
})
