import type { TaskConfig } from '@tutti/contracts'
import { putFirst } from '../queue/enqueue.ts'
import type { SessionChange } from '../session/change-session.ts'
import { insertMessage, logMessage, promptMessage } from '../session/messages.ts'
import type { RunRow } from '../session/rows.ts'
import { closeCommands } from './commands.ts'

/**
 * A run ends: messages that it did not take in become the session's next ones, in their order and before those that wait already. Where
 * the user has cancelled the session they only go on record: to begin new work then would be the opposite of what was asked for.
 */
export const passOnCommands = async (
  change: SessionChange,
  run: RunRow,
  { cancelled, failed }: { cancelled: boolean; failed: boolean },
): Promise<void> => {
  // What an earlier attempt took in stands in the conversation of the turn that failed, as the turn's own prompt does.
  const closed = await closeCommands(change.tx, run.id, cancelled ? 'none' : failed ? 'new' : 'all')
  const messages = closed.filter(({ type, shown, overtaken }) => type === 'message' && (overtaken || !shown))
  if (cancelled) {
    for (const { text } of messages) {
      const message = { session_id: run.session_id, run_id: run.id, ...promptMessage(text ?? '') }
      logMessage(change, run.id, await insertMessage(change.tx, message))
    }
    return
  }
  // Files belong to the message that they came with.
  const { workspace: _, input_files: __, ...config }: TaskConfig = run.config
  await putFirst(
    change,
    messages.map(({ id, text }) => ({
      ...{ id, prompt: text ?? '', permissionMode: run.permission_mode, config },
      // The request's id stays with the command: the user may have used it for another message, too.
      clientRequestId: null,
    })),
  )
}
