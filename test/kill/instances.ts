/** Orchestrators as processes on one store, and what stands before them where several are run: a balancer. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { repositoryRoot } from '../../apps/cli/src/repository.ts'

export const clientToken = 'client-token-of-the-instances-0123456789'
export const workerToken = 'worker-token-of-the-instances-0123456789'

export interface Instance {
  name: string
  url: string
  /** Ends the process without a chance to say good-bye. */
  kill(): Promise<void>
  /** The same name, and another process, on another port. */
  restart(): Promise<void>
  stop(): Promise<void>
  /** Lines of its log from WARNING on. */
  complaints: string[]
}

const program = join(repositoryRoot, 'apps', 'orchestrator', 'src', 'main.ts')

/** @param store the variables that name the store */
export const startInstance = async (name: string, store: Record<string, string>): Promise<Instance> => {
  const complaints: string[] = []
  let child: ChildProcess | undefined
  let port = 0
  const launch = async (): Promise<void> => {
    const started = spawn(process.execPath, [program], {
      env: {
        PATH: process.env.PATH,
        ...store,
        INSTANCE_ID: name,
        API_HOST: '127.0.0.1',
        API_PORT: '0',
        CLIENT_TOKEN: clientToken,
        GLOBAL_WORKER_TOKEN: workerToken,
        BLUEPRINTS_DIR: join(import.meta.dirname, 'blueprints'),
        WEBHOOK_ALLOW_PRIVATE: 'true',
        RATE_LIMITING_ENABLED: 'false',
        // What a dead instance's workers held is handed out again after twice this.
        WORKER_HEALTH_CHECK_INTERVAL_SECONDS: '1',
        LOG_FORMAT: 'json',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    child = started
    const listening = new Promise<number>((resolve, reject) => {
      started.once('exit', (code) => reject(new Error(`${name} ended with ${code} before it listened`)))
      createInterface({ input: started.stdout }).on('line', (line) => {
        const said = JSON.parse(line) as { level: string; msg?: string; message?: string; port?: number }
        if (said.port !== undefined) resolve(said.port)
        if (said.level === 'WARNING' || said.level === 'ERROR') complaints.push(line)
      })
    })
    port = await listening
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }
  await launch()
  return {
    name,
    get url() {
      return `http://127.0.0.1:${port}`
    },
    kill: () => end('SIGKILL'),
    restart: launch,
    stop: () => end('SIGTERM'),
    complaints,
  }
}

export interface Balancer {
  url: string
  close(): Promise<void>
}

/** Each connection goes to the next instance; to one that is alive, where the next is not. */
export const startBalancer = async (instances: Pick<Instance, 'url'>[]): Promise<Balancer> => {
  const open = new Set<Socket>()
  let turn = 0
  const server = createServer((near) => {
    turn += 1
    const order = instances.map((_, at) => instances[(turn + at) % instances.length])
    const pass = (): void => {
      const instance = order.shift()
      if (!instance || near.destroyed) return void near.destroy()
      const far = connect(Number(new URL(instance.url).port), '127.0.0.1')
      open.add(far)
      let through = false
      far.once('connect', () => {
        through = true
        near.pipe(far).pipe(near)
      })
      far.on('error', () => {
        if (!through) pass()
      })
      far.once('close', () => {
        open.delete(far)
        if (through) near.destroy()
      })
      near.once('close', () => far.destroy())
    }
    open.add(near)
    near.on('error', () => {})
    near.once('close', () => open.delete(near))
    pass()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
