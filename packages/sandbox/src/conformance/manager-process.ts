/** A manager to be killed in mid-flight: starts one sandbox, says so, and lives until somebody ends it. */
import type { SandboxDriver, SandboxSpec } from '../port.ts'

interface Given {
  module: string
  factory: string
  options: Record<string, unknown>
  stateDir: string
  spec: SandboxSpec
}

const given: Given = JSON.parse(process.argv[2] ?? '{}')
const module: Record<string, (options: unknown) => SandboxDriver> = await import(given.module)
const create = module[given.factory]
if (create === undefined) throw new Error(`${given.module} has no ${given.factory}`)
const sandbox = await create({ ...given.options, stateDir: given.stateDir }).start(given.spec)
let stdout = ''
sandbox.stdout.on('data', (chunk) => {
  stdout += chunk
})
sandbox.stderr.resume()
// What the command says first, where it says anything before this process is killed.
if (given.spec.labels?.wait === 'exit') await sandbox.exited
console.log(JSON.stringify({ pid: sandbox.pid, stdout }))
setInterval(() => {}, 60_000)
