/** `tutti orchestrator`, `tutti backend`, `tutti executor-manager`: one server, configured by its environment. */
import type { Command } from 'commander'
import type { Environment } from '../stack/process.ts'
import { endWithParent, listenForStop } from '../stop-signals.ts'

interface Started {
  stop(): Promise<void>
  /** Reads the files of its configuration again. */
  reload?(): Promise<void>
}

/** Loaded when asked for: a worker on another machine needs none of them. */
const servers: Record<string, { about: string; start: (env: Environment) => Promise<Started> }> = {
  orchestrator: {
    about: 'the job API and the worker API',
    start: async (env) => (await import('@tutti/orchestrator')).startOrchestrator(env),
  },
  backend: {
    about: 'the workbench API',
    start: async (env) => (await import('@tutti/backend')).startBackend(env),
  },
  'executor-manager': {
    about: 'the manager that runs agents in sandboxes',
    start: async (env) => (await import('@tutti/executor-manager')).startManager(env),
  },
}

export const addServers = (program: Command): void => {
  for (const [name, { about, start }] of Object.entries(servers))
    program
      .command(name)
      .description(`start ${about} alone; its environment configures it`)
      .action(async () => {
        let server: Started | undefined
        const stop = listenForStop(() => {
          server?.reload?.().catch((error: unknown) => console.error('The configuration was not reloaded:', error))
        })
        const letGo = endWithParent()
        server = await start(process.env)
        await stop.told
        await server.stop()
        letGo()
      })
}
