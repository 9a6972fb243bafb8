import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import type { ExitReason, Sandbox } from '../../port.ts'
import { type Rig, SMALL, unique } from '../rig.ts'
import type { Escape, Target } from './escape.ts'
import { fileEscapes } from './files.ts'
import { kernelEscapes } from './kernel.ts'
import { networkEscapes } from './network.ts'
import { resourceEscapes } from './resources.ts'

export type { Escape } from './escape.ts'

/** All attempts, each of which every driver that isolates must withstand. */
export const ESCAPES: readonly Escape[] = [...fileEscapes, ...kernelEscapes, ...networkEscapes, ...resourceEscapes]

export interface Outcome {
  /** False where the attempt said that it worked, or the host shows it. */
  held: boolean
  reason: ExitReason
  /** What it said, where it worked; what is wrong with the host, where something is. */
  said: string
}

/** A host to attack, with a sandbox at work beside the attacker's. */
export interface Range {
  target: Target
  run(attempted: Escape): Promise<Outcome>
  close(): Promise<void>
}

const MIB = 1024 * 1024
const LIMITS = { ...SMALL, diskBytes: 64 * MIB, files: 5000, wallMs: 6000, cpuSeconds: 3 }

export async function createRange(rig: Rig): Promise<Range> {
  const secret = unique('secret-of-the-host')
  const secretFile = join(rig.dir('host'), 'secret')
  writeFileSync(secretFile, secret, { mode: 0o600 })
  const otherWorkspace = rig.dir('other-workspace')
  writeFileSync(join(otherWorkspace, 'secret'), secret)
  const neighbour = await rig.start(['sleep', '600'], { workspace: otherWorkspace })
  const victim = spawn('sleep', ['600'])
  const abstract = unique('abstract')
  const relayDir = rig.dir('relay')
  const relay = join(relayDir, 'relay.sock')
  const [server, ...others] = await Promise.all([
    listening({ port: 0, host: '127.0.0.1' }),
    listening({ path: `\0${abstract}` }),
    listening({ path: relay }),
  ])
  const port = (server.address() as AddressInfo).port
  const target: Target = { secretFile, secret, otherWorkspace, victim: victim.pid ?? 0, port, abstract }
  const before = statSync(secretFile)
  const relayBefore = statSync(relay).ino

  /** What an attempt did to the host, though it may have said nothing. */
  const damage = async (): Promise<string> => {
    const after = statSync(secretFile)
    const faults = [
      [readFileSync(secretFile, 'utf8') === secret, 'the file of the host was changed'],
      [after.uid === before.uid && after.mode === before.mode, 'the file of the host was given away'],
      [alive(victim), 'the process of the host was ended'],
      [(await working(neighbour)) === true, 'the other sandbox was ended'],
      [statSync(relay, { throwIfNoEntry: false })?.ino === relayBefore, 'the relay’s socket was replaced'],
    ] as const
    return faults.flatMap(([fine, fault]) => (fine ? [] : [fault])).join(', ')
  }

  return {
    target,
    async run(attempted) {
      const { reason, stdout } = await rig.run(attempted.attempt(target), {
        ...{ limits: LIMITS, socketDir: { from: relayDir, to: '/run/relay' } },
      })
      const fault = await damage()
      const said = stdout.includes('ESCAPED') ? stdout.trim().slice(0, 200) : fault
      return { held: said === '', reason, said }
    },
    async close() {
      victim.kill('SIGKILL')
      await neighbour.kill()
      for (const one of [server, ...others]) one.close()
    },
  }
}

async function listening(where: { port: number; host: string } | { path: string }): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {}).end('pong'))
  server.listen(where)
  await once(server, 'listening')
  return server
}

function alive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

async function working(sandbox: Sandbox): Promise<boolean> {
  return (await sandbox.usage()).processes > 0
}
