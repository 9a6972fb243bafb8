/**
 * Tries every escape in every driver that works on this machine and writes what came of it to docs/escapes.md:
 *
 *   node scripts/escapes.ts        as root, with bubblewrap, docker.io and debootstrap installed
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createBubblewrapDriver, createDockerDriver, type SandboxDriver } from '@tutti/sandbox'
import { createRange, ESCAPES, type Escape, type Outcome } from '@tutti/sandbox/escapes'
import { createRig, ownUsers } from '@tutti/sandbox/rig'
import { BASE_IMAGE, noEngine, startEngine } from '@tutti/sandbox/testing'

type Results = Map<Escape, Outcome>

const results: Record<string, Results> = {}

const attack = async (name: string, create: (stateDir: string) => SandboxDriver): Promise<void> => {
  const rig = createRig({ ...{ name, isolates: true, create }, elsewhere: { module: '', factory: '', options: {} } })
  const range = await createRange(rig)
  const outcomes: Results = new Map()
  for (const attempted of ESCAPES) outcomes.set(attempted, await range.run(attempted))
  await range.close()
  await rig.close()
  results[name] = outcomes
}

const cell = (outcome: Outcome | undefined): string => {
  if (outcome === undefined) return 'not tried'
  if (!outcome.held) return `**escaped**: ${outcome.said.replaceAll('\n', ' ')}`
  return outcome.reason === 'exit' ? 'held' : `held, ended: ${outcome.reason}`
}

const write = (): void => {
  const drivers = Object.keys(results)
  const held = drivers.map((driver) => {
    const all = [...(results[driver]?.values() ?? [])]
    return `${driver}: ${all.filter((one) => one.held).length} of ${all.length} held`
  })
  const lines = ESCAPES.map((one) => {
    const cells = drivers.map((driver) => cell(results[driver]?.get(one)))
    return `| ${[one.group, `\`${one.name}\``, one.tries, ...cells].join(' | ')} |`
  })
  const text = `# Escapes

What is tried from inside a sandbox to get out of it, and what came of it: ${held.join('; ')}. Made by \`node scripts/escapes.ts\`; the tests try the
same in every driver, and show for some that they work where there is no sandbox. Calls to the kernel have the numbers of x64.

“Held” means that the attempt did not get what it wanted, and that afterwards a file of the host, a process of the host, the sandbox beside it and
the relay's socket were as before. “Ended” names the limit that ended the sandbox.

| group | name | what it tries | ${drivers.join(' | ')} |
| --- | --- | --- | ${drivers.map(() => '---').join(' | ')} |
${lines.join('\n')}
`
  writeFileSync(join(import.meta.dirname, '..', 'docs', 'escapes.md'), text)
  console.log(held.join('\n'))
}

await attack('bubblewrap', (stateDir) => createBubblewrapDriver({ stateDir, users: ownUsers(20) }))
if (noEngine() === undefined) {
  const engine = await startEngine()
  const options = { image: BASE_IMAGE, engine: engine.address, users: ownUsers(20) }
  await attack('docker', (stateDir) => createDockerDriver({ ...options, stateDir }))
  await engine.stop()
}
write()
if (Object.values(results).some((outcomes) => [...outcomes.values()].some(({ held }) => !held))) process.exitCode = 1
