import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { AS_ROOT, ended, until } from '../conformance/rig.ts'
import { holdPidNamespace, type PidNamespace } from './pid-namespace.ts'
import { pidsOfTree } from './processes.ts'

const children: ChildProcess[] = []
const held: (PidNamespace | undefined)[] = []

/** A process in a pid namespace of its own. */
async function isolated(): Promise<{ child: ChildProcess; init: number }> {
  const child = spawn('unshare', ['--fork', '--pid', '--kill-child', 'sleep', '600'], { stdio: 'ignore' })
  children.push(child)
  await once(child, 'spawn')
  const own = statSync('/proc/self/ns/pid').ino
  const init = await until(() => pidsOfTree(child.pid ?? 0).find((pid) => numberOf(pid) !== own))
  return { child, init }
}

const numberOf = (pid: number): number | undefined => {
  try {
    return statSync(`/proc/${pid}/ns/pid`).ino
  } catch {
    return statSync('/proc/self/ns/pid').ino
  }
}

describe.runIf(AS_ROOT)('the pid namespace of a sandbox', () => {
  afterEach(async () => {
    for (const one of held.splice(0)) one?.close()
    for (const child of children.splice(0)) {
      child.kill('SIGKILL')
      await ended(child)
    }
  })

  it('its-processes-are-found-while-they-live', async () => {
    const { child, init } = await isolated()
    const namespace = holdPidNamespace(init)
    held.push(namespace)
    expect(namespace?.pids()).toEqual([init])
    child.kill('SIGKILL')
    await until(() => namespace?.pids().length === 0)
  })

  it('its-number-is-given-to-no-other-while-it-is-held', async () => {
    const first = await isolated()
    const number = numberOf(first.init)
    const namespace = holdPidNamespace(first.init)
    held.push(namespace)
    first.child.kill('SIGKILL')
    await ended(first.child)
    await until(() => namespace?.pids().length === 0)
    // As many as a busy host begins in the time that an engine takes to tell of an end.
    const others = await Promise.all(Array.from({ length: 12 }, isolated))
    expect(others.map(({ init }) => numberOf(init))).not.toContain(number)
    expect(namespace?.pids()).toEqual([])
    namespace?.close()
    expect(namespace?.pids()).toEqual([])
  })

  it('a-number-that-nobody-holds-is-given-again', async () => {
    const seen = new Set<number | undefined>()
    await until(async () => {
      const { child, init } = await isolated()
      const number = numberOf(init)
      const again = seen.has(number)
      seen.add(number)
      child.kill('SIGKILL')
      await ended(child)
      return again
    })
  })

  it('what-is-gone-has-none-and-the-hosts-own-is-never-a-sandboxes', async () => {
    const gone = spawn('true')
    await ended(gone)
    expect(holdPidNamespace(gone.pid ?? 0)).toBe(undefined)
    expect(holdPidNamespace(process.pid)).toBe(undefined)
  })
})
