/**
 * The images and the stack of deploy/, with a real engine: built from the Dockerfile, started by Compose, used as a client
 * uses it. In place of what is pulled stand a Debian made here and the project's own Node; of PostgreSQL and of the
 * model, which are not ours, stand-ins run on the host.
 */

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { createScriptedModel, type ScriptedModel } from '@tutti/agents/scripted'
import { createWorkbench } from '@tutti/client'
import { BASE_IMAGE, startEngine, type TestEngine } from '@tutti/sandbox/testing'
import { startBuiltInPostgres } from '@tutti/stores/built-in-postgres'
import { freePort } from '@tutti/stores/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'

const root = realpathSync(join(import.meta.dirname, '..', '..'))
const nodeImage = 'node:24-bookworm-slim'
const subnet = '10.213.7.0/24'
const gateway = '10.213.7.1'
const clientToken = 'client-token-of-the-deployment-0123456789'
const providerKey = 'provider-key-of-the-deployment'

let engine: TestEngine
let model: ScriptedModel
let folder = ''
let env: NodeJS.ProcessEnv = {}
const closing: (() => Promise<unknown>)[] = []

const run = async (program: string, args: string[], cwd = root): Promise<string> => {
  const { stdout } = await promisify(execFile)(program, args, { cwd, env, maxBuffer: 64 * 1024 * 1024 })
  return stdout
}

// The engine has no bridge to the outside; a build borrows the host's network.
const build = (tag: string, args: string[], context = root) =>
  run('docker', ['build', '--network', 'host', '-q', '-t', tag, ...args, context])

const compose = (...args: string[]) =>
  run('docker-compose', [
    ...['-p', 'tutti', '-f', join(root, 'deploy', 'docker-compose.yml'), '-f', join(folder, 'override.yml')],
    ...args,
  ])

beforeAll(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'tutti-deploy-')))
  chmodSync(folder, 0o755)
  engine = await startEngine()
  closing.push(() => engine.stop())
  env = { ...process.env, DOCKER_HOST: engine.address, DOCKER_BUILDKIT: '0', COMPOSE_DOCKER_CLI_BUILD: '0' }
  await buildNode()
  await build('tutti-server', ['-f', 'deploy/Dockerfile', '--target', 'server'])
  await build('tutti-executor', ['-f', 'deploy/Dockerfile', '--target', 'executor'])
  await prepare()
})

afterAll(async () => {
  if (process.env.TUTTI_TEST_LOG) console.log(await compose('logs', '--no-color').catch(String))
  await compose('down', '-v', '-t', '20').catch(() => undefined)
  for (const close of closing.toReversed()) await close()
  rmSync(folder, { recursive: true, force: true })
})

it('the-stack-starts-and-an-agent-works-in-a-container-of-the-executors-image', async () => {
  await compose('up', '-d', '--no-deps', 'orchestrator', 'backend', 'executor-manager')
  await healthy()
  const workbench = createWorkbench({ url: `http://127.0.0.1:${env.BACKEND_PORT}`, token: clientToken })
  const prompt = `\`\`\`scripted\n${JSON.stringify([
    { tool: 'Bash', input: { command: 'git --version; id -un; ls /sys/class/net; echo made > made.txt' } },
    { say: 'All done.' },
  ])}\n\`\`\``
  const { session_id, run_id } = await workbench.tasks.create({ prompt, permission_mode: 'bypassPermissions' })
  const ended = await until(async () => {
    const found = await workbench.runs.get(String(run_id))
    return ['completed', 'failed', 'canceled'].includes(found.status) && found
  })
  expect(ended).toMatchObject({ status: 'completed', last_error: null })
  const [file] = await workbench.sessions.files(session_id)
  expect(file).toMatchObject({ path: 'made.txt' })
  const target = join(folder, 'made.txt')
  if (file) await workbench.download(file, target)
  expect((await run('cat', [target])).trim()).toBe('made')
  // Nothing of the sandbox is left once it has waited for a next turn.
  await until(async () => (await engine.engine.listContainers({ all: true })).length === 3)
})

it('the-manager-comes-back-after-a-kill-and-takes-runs-again', async () => {
  const [container] = await engine.engine.listContainers({ filters: { name: ['executor-manager'] } })
  await engine.engine.getContainer(container?.Id ?? '').kill()
  await engine.engine.getContainer(container?.Id ?? '').start()
  const workbench = createWorkbench({ url: `http://127.0.0.1:${env.BACKEND_PORT}`, token: clientToken })
  const { run_id } = await workbench.tasks.create({ prompt: '```scripted\n[{"say":"Back."}]\n```' })
  const ended = await until(async () => {
    const found = await workbench.runs.get(String(run_id))
    return ['completed', 'failed', 'canceled'].includes(found.status) && found
  })
  expect(ended).toMatchObject({ status: 'completed', last_error: null })
})

/** As the registry has it: Debian with Node and npm below /usr/local. */
async function buildNode(): Promise<void> {
  const context = join(folder, 'node')
  mkdirSync(context)
  copyFileSync(process.execPath, join(context, 'node'))
  const npm = dirname(dirname(realpathSync((await run('sh', ['-c', 'command -v npm'])).trim())))
  cpSync(npm, join(context, 'npm'), { recursive: true })
  // A network that looks into TLS has an authority of its own, which this machine knows.
  copyFileSync('/etc/ssl/certs/ca-certificates.crt', join(context, 'authorities.crt'))
  writeFileSync(
    join(context, 'Dockerfile'),
    `FROM ${BASE_IMAGE}
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
COPY authorities.crt /usr/local/share/authorities.crt
ENV NODE_EXTRA_CA_CERTS=/usr/local/share/authorities.crt
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && npm --version
`,
  )
  await build(nodeImage, [], context)
  rmSync(context, { recursive: true })
}

async function prepare(): Promise<void> {
  const postgres = await startBuiltInPostgres({ dataDir: join(folder, 'postgres'), durable: false })
  closing.push(() => postgres.stop())
  model = await createScriptedModel({ key: providerKey })
  closing.push(() => model.close())
  const address = new URL(postgres.connectionString)
  const socket = join(address.searchParams.get('host') ?? '', `.s.PGSQL.${address.searchParams.get('port') ?? 5432}`)
  const database = await forward({ path: socket })
  const provider = await forward({ host: '127.0.0.1', port: Number(new URL(model.url).port) })
  const home = join(folder, 'home')
  for (const name of ['objects', 'workspaces', 'sandboxes']) mkdirSync(join(home, name), { recursive: true })
  // Where the stand-ins are reached; and no addresses that another network of this machine may have.
  writeFileSync(
    join(folder, 'override.yml'),
    `networks: { default: { ipam: { config: [{ subnet: ${subnet}, gateway: ${gateway} }] } } }\n`,
  )
  const backendPort = await freePort()
  Object.assign(env, {
    ...{ TUTTI_HOME: home, DOCKER_SOCKET: engine.address.slice('unix://'.length), POSTGRES_PASSWORD: 'unused' },
    ...{ API_PORT: String(await freePort()), BACKEND_PORT: String(backendPort), CLIENT_TOKEN: clientToken },
    ...{
      INTERNAL_API_TOKEN: 'internal-token-of-the-deployment-0123',
      SECRET_KEY: 'secret-key-of-the-deployment-012345',
    },
    GLOBAL_WORKER_TOKEN: 'worker-token-of-the-deployment-012345',
    BACKEND_PUBLIC_URL: `http://127.0.0.1:${backendPort}`,
    DATABASE_URL: `postgresql://${address.searchParams.get('user')}@${gateway}:${database}${address.pathname}`,
    SANDBOX_KEEP_SECONDS: '2',
    ...{ ANTHROPIC_AUTH_TOKEN: providerKey, ANTHROPIC_BASE_URL: `http://${gateway}:${provider}` },
  })
}

async function healthy(): Promise<void> {
  await until(async () => {
    // Not the sandboxes: the manager starts one for trial.
    const all = await engine.engine.listContainers({ all: true, filters: { label: ['com.docker.compose.project'] } })
    const ended = all.find(({ State }) => State !== 'running')
    if (ended) throw new Error(`${ended.Names[0]} has ended: ${await compose('logs', '--no-color')}`)
    return all.length === 3 && all.every(({ Status }) => Status.includes('(healthy)'))
  })
}

/** A port of every address of this host that leads to a server of this host alone. */
async function forward(to: NetConnectOpts): Promise<number> {
  const server = createServer((inside) => {
    const outside = connect(to)
    inside.pipe(outside).pipe(inside)
    for (const [one, other] of [
      [inside, outside],
      [outside, inside],
    ] as const)
      one.on('error', () => other.destroy()).on('close', () => other.destroy())
  })
  closing.push(() => closed(server))
  return listening(server, '0.0.0.0')
}

async function listening(server: Server, host: string): Promise<number> {
  server.listen(0, host)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const closed = (server: Server) => new Promise((resolve) => server.close(resolve))

async function until<T>(look: () => Promise<T | false>): Promise<T> {
  for (;;) {
    const found = await look()
    if (found) return found
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}
