/** `tutti session …`: what there is of sessions: listed, read, followed. */
import type { MessageView, SessionView, ToolExecutionView } from '@tutti/contracts'
import type { Command } from 'commander'
import { demandBackend, workbenchOf } from '../connect.ts'
import { createAnswerer } from '../session/ask.ts'
import { sessionOf } from '../session/named.ts'
import { harmless, saidIn } from '../session/printer.ts'
import { attend, outputForPeople, outputForPrograms } from '../session/turn.ts'
import { listenForStop } from '../stop-signals.ts'
import { defaultDataDir } from './options.ts'
import { jsonFlag, type OutputFlags, printAll, printJson, repeated, wholeNumber } from './print.ts'
import { addSessionActions } from './session-actions.ts'
import { addSessionFiles } from './session-files.ts'

const sessionLine = ({ session_id, status, title, updated_at }: SessionView): string =>
  `${session_id}  ${status.padEnd(10)} ${updated_at}  ${harmless(title ?? '').replaceAll(/\s+/g, ' ')}`

const messageText = ({ role, content, text_preview }: MessageView): string =>
  `${role}: ${harmless(saidIn(content) || text_preview || '')}`

const toolLine = ({ created_at, tool_name, tool_input, is_error, duration_ms }: ToolExecutionView): string =>
  `${created_at}  ${tool_name.padEnd(12)} ${duration_ms === null ? '' : `${duration_ms} ms`.padStart(9)}${is_error ? ' failed' : ''}  ${harmless(JSON.stringify(tool_input)).slice(0, 160)}`

export const addSession = (program: Command): void => {
  const session = program
    .command('session')
    .description('conversations with agents and their files; wherever an id is asked for, last means the newest')
  const workbench = async () => workbenchOf(await demandBackend(process.env, defaultDataDir(process.env)))
  const command = (words: string, description: string): Command =>
    session
      .command(words)
      .description(description)
      .option(...jsonFlag)

  command('list', 'the newest sessions')
    .option('--limit <n>', 'how many', wholeNumber, 20)
    .option('--offset <n>', 'after so many', wholeNumber, 0)
    .action(async ({ json, limit, offset }: OutputFlags & { limit: number; offset: number }) => {
      printAll({ json }, await (await workbench()).sessions.list({ limit, offset }), sessionLine)
    })
  command('show <id>', 'all there is to know about one, with its runs').action(async (given: string) => {
    const api = await workbench()
    const id = await sessionOf(api, given)
    printJson({ ...(await api.sessions.get(id)), runs: await api.runs.list(id) })
  })
  command('messages <id>', 'all that was said')
    .option('--after <message>', 'only what came after this message', wholeNumber, 0)
    .action(async (given: string, { json, after }: OutputFlags & { after: number }) => {
      const api = await workbench()
      const messages = await api.sessions.messages(await sessionOf(api, given), { after })
      // A system message or a tool’s result has no words for a person.
      printAll({ json }, json ? messages : messages.filter(hasWords), messageText)
    })
  command('tools <id>', 'all calls of tools').action(async (given: string, flags: OutputFlags) => {
    const api = await workbench()
    printAll(flags, await api.sessions.toolExecutions(await sessionOf(api, given)), toolLine)
  })
  command('watch <id>', 'follow the turn that is under way to its end; Ctrl+C leaves and does not stop it')
    .option('--answer <text>', 'answers the next question; repeatable', repeated, [])
    .action(async (given: string, { json, answer }: OutputFlags & { answer: string[] }) => {
      const api = await workbench()
      const sessionId = await sessionOf(api, given)
      const run = (await api.runs.list(sessionId)).find(
        ({ status }) => !['completed', 'failed', 'canceled'].includes(status),
      )
      if (!run) {
        process.stdout.write(
          json ? `${JSON.stringify({ type: 'end', session_id: sessionId })}\n` : 'nothing is under way\n',
        )
        return
      }
      const write = (text: string): void => void process.stdout.write(text)
      const output = json ? outputForPrograms(write) : outputForPeople(write, (text) => void process.stderr.write(text))
      const turn = { sessionId, runId: run.run_id, queued: false, since: 0 }
      const answerer = createAnswerer(answer, process.stdin.isTTY === true && !json)
      process.exitCode = await attend(api, turn, answerer, output, listenForStop(), 'leave')
    })
  addSessionActions(command, workbench)
  addSessionFiles(command, workbench)
}

const hasWords = (message: MessageView): boolean =>
  message.role !== 'system' && (saidIn(message.content) || message.text_preview || '').trim() !== ''
