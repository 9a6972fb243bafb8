import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'

const compileCache = fileURLToPath(new URL('../src/compile-cache.ts', import.meta.url))

test('a-server-that-is-killed-has-kept-what-it-compiled', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tutti-compiled-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'part.ts'), 'export const part: string = "part"\n')
  const main = `import { keepCompiled } from ${JSON.stringify(compileCache)}
    keepCompiled()
    await import('./part.ts')
    setInterval(() => undefined, 1_000)`
  await writeFile(join(folder, 'main.ts'), main)
  const server = spawn(process.execPath, [join(folder, 'main.ts')], {
    env: { PATH: process.env.PATH, XDG_CACHE_HOME: join(folder, 'cache') },
    stdio: 'ignore',
  })
  onTestFinished(() => void server.kill('SIGKILL'))
  const kept = async () =>
    (await readdir(join(folder, 'cache'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  await vi.waitFor(async () => expect(await kept()).not.toEqual([]), { timeout: 20_000, interval: 100 })
  expect(server.exitCode).toBeNull()
})
