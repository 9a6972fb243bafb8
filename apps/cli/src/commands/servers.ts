/** `tutti orchestrator`, `tutti backend`, `tutti executor-manager`: one server, configured by its environment. */
import type { Command } from 'commander'
import type { Environment } from '../stack/process.ts'
import { untilToldToStop } from './up.ts'

interface Started {
  stop(): Promise<void>
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
        // As a child of `tutti up --split` it must not outlive its parent, however that one dies.
        if (process.connected) process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
        const server = await start(process.env)
        await untilToldToStop()
        await server.stop()
        process.disconnect?.()
      })
}
