import { readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import { DataDirError, findRunning, openDataDir } from '../src/stack/data-dir.ts'
import { type Started, start } from './support/processes.ts'
import { scratch } from './support/scratch.ts'

const holdProgram = fileURLToPath(new URL('support/hold.ts', import.meta.url))

/** A process that is ready to take the directory. */
const contender = async (folder: string): Promise<Started> => {
  const started = start(process.execPath, [holdProgram, folder])
  await started.prints(/ready/)
  return started
}

const holder = async (folder: string): Promise<Started> => {
  const started = await contender(folder)
  started.write('go\n')
  await started.prints(/held/)
  return started
}

const running = { pid: process.pid, apiUrl: 'http://a', backendUrl: 'http://b', clientToken: 'c', processes: {} }

describe('the lock', () => {
  test('a second stack on the same directory is refused, and told which process has it', async () => {
    const folder = await scratch()
    const first = await holder(folder)
    await expect(openDataDir(folder)).rejects.toThrow(
      new RegExp(`${folder} is in use by process ${first.pid}: .*--data-dir`),
    )
  })

  test('a second stack in the same process is refused too', async () => {
    const folder = await scratch()
    const data = await openDataDir(folder)
    await expect(openDataDir(folder)).rejects.toThrow(`in use by process ${process.pid}`)
    await data.release()
    await (await openDataDir(folder)).release()
  })

  test('a lock left by a killed process is taken over', async () => {
    const folder = await scratch()
    const first = await holder(folder)
    first.kill('SIGKILL')
    await first.ended
    await (await openDataDir(folder)).release()
  })

  test('a process id that was given out anew holds no lock', async () => {
    const folder = await scratch()
    await writeFile(join(folder, 'holder'), String(process.ppid))
    await writeFile(join(folder, 'running.json'), JSON.stringify({ ...running, pid: process.ppid }))
    expect(await findRunning(folder)).toBeUndefined()
    await (await openDataDir(folder)).release()
  })

  test('a dead process that nobody has waited for holds no lock', async () => {
    const folder = await scratch()
    // The shell becomes a program that never asks after its children.
    const script = '"$0" "$1" "$2" <&0 & exec sleep 1000'
    const parent = start('/bin/sh', [
      '-c',
      `exec 3<&0; ${script.replace('<&0', '<&3')}`,
      process.execPath,
      holdProgram,
      folder,
    ])
    await parent.prints(/ready/)
    parent.write('go\n')
    const [, pid = ''] = await parent.prints(/held by (\d+)/)
    process.kill(Number(pid), 'SIGKILL')
    await vi.waitUntil(() => / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')), { timeout: 20_000 })
    await (await openDataDir(folder)).release()
  })

  test('of several that find the same stale lock at once, exactly one gets it', async () => {
    const folder = await scratch()
    const first = await holder(folder)
    const contenders = await Promise.all(Array.from({ length: 5 }, () => contender(folder)))
    first.kill('SIGKILL')
    await first.ended
    for (const each of contenders) each.write('go\n')
    const said = await Promise.all(contenders.map(async (each) => (await each.prints(/held|refused: .*/))[0]))
    expect(said.filter((text) => text === 'held')).toHaveLength(1)
    expect(said.filter((text) => text.includes('is in use by'))).toHaveLength(4)
  })
})

describe('the stack that runs', () => {
  test('is found while it runs, and not after a clean stop', async () => {
    const folder = await scratch()
    const data = await openDataDir(folder)
    expect(await findRunning(folder)).toBeUndefined()
    await data.announce(running)
    expect(await findRunning(folder)).toEqual(running)
    await data.release()
    expect(await findRunning(folder)).toBeUndefined()
    expect((await readdir(folder)).sort()).toEqual(['lock', 'secrets.json', 'version'])
  })

  test('is not found on a directory that there is not, nor is that made', async () => {
    const folder = join(await scratch(), 'none')
    expect(await findRunning(folder)).toBeUndefined()
    await expect(stat(folder)).rejects.toThrow('ENOENT')
  })

  test('what a killed one said of itself is gone when the next one starts', async () => {
    const folder = await scratch()
    await writeFile(join(folder, 'running.json'), JSON.stringify(running))
    const data = await openDataDir(folder)
    expect(await findRunning(folder)).toBeUndefined()
    await data.release()
  })
})

describe('the secrets', () => {
  test('are made once, for the owner’s eyes only', async () => {
    const folder = await scratch()
    const first = await openDataDir(folder)
    await first.announce(running)
    for (const name of ['secrets.json', 'running.json', 'lock'])
      expect([name, ((await stat(join(folder, name))).mode & 0o777).toString(8)]).toEqual([name, '600'])
    expect(((await stat(folder)).mode & 0o777).toString(8)).toBe('711')
    await first.release()
    const second = await openDataDir(folder)
    expect(second.secrets).toEqual(first.secrets)
    expect(new Set(Object.values(second.secrets)).size).toBe(4)
    await second.release()
  })

  test.each([
    ['cut off', '{"clientToken": "abc'],
    ['empty', ''],
    ['too short', JSON.stringify({ clientToken: 'a', workerToken: 'b', internalToken: 'c', secretKey: 'd' })],
    ['incomplete', JSON.stringify({ clientToken: 'x'.repeat(40) })],
  ])('that are %s are neither used nor replaced, and the directory is free again', async (_, text) => {
    const folder = await scratch()
    const file = join(folder, 'secrets.json')
    await writeFile(file, text)
    await expect(openDataDir(folder)).rejects.toThrow(`${file} is damaged: restore it, or delete it to get new tokens`)
    expect(await readFile(file, 'utf8')).toBe(text)
    await expect(openDataDir(folder)).rejects.toThrow('damaged')
  })

  test('that can’t be read are not made anew', async () => {
    const folder = await scratch()
    await mkdir(join(folder, 'secrets.json'))
    await expect(openDataDir(folder)).rejects.toThrow(DataDirError)
  })
})

describe('what can’t be a data directory', () => {
  test.each(['2', '17\n', 'seven'])('written by a newer version: %j', async (version) => {
    const folder = await scratch()
    await writeFile(join(folder, 'version'), version)
    await expect(openDataDir(folder)).rejects.toThrow(
      /written by a newer Tutti \(layout .*, this one knows 1\): run that version, or name another directory with --data-dir/,
    )
    expect(await readdir(folder)).not.toContain('secrets.json')
  })

  test('a file', async () => {
    const file = join(await scratch(), 'file')
    await writeFile(file, '')
    await expect(openDataDir(file)).rejects.toThrow(/can't be the data directory \(EEXIST.*--data-dir/)
  })
})
