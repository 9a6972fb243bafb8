/** The commands of `tutti`. */
import { Command } from 'commander'
import { addBlueprints } from './commands/blueprint.ts'
import { addBudget } from './commands/budget.ts'
import { addChecks } from './commands/check.ts'
import { addDemo } from './commands/demo.ts'
import { addJob } from './commands/job.ts'
import { addRun } from './commands/run.ts'
import { addSchedule } from './commands/schedule.ts'
import { addServers } from './commands/servers.ts'
import { addSession } from './commands/session.ts'
import { addUp } from './commands/up.ts'
import { addWorker } from './commands/worker.ts'
import { exitCodeOf, explain } from './faults.ts'

// Whoever reads our output may stop reading: `tutti job list | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

const program = new Command('tutti')
  .description('Durable jobs across a fleet of workers, and AI agents in sandboxes as one kind of worker.')
  .showHelpAfterError()

addUp(program)
addDemo(program)
addRun(program)
addSession(program)
addBudget(program)
addJob(program)
addSchedule(program)
addWorker(program)
addServers(program)
addChecks(program)
addBlueprints(program)

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`${explain(error)}\n`)
  process.exit(exitCodeOf(error))
}
