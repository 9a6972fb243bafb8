import type { TaskConfig } from '@tutti/contracts'
import { insertRun } from '../create/insert-run.ts'
import type { SessionChange } from '../session/change-session.ts'
import { insertMessages, logMessage, promptMessage } from '../session/messages.ts'
import type { RunRow } from '../session/rows.ts'
import { closeCommands } from './commands.ts'

/**
 * A run has ended: messages that it did not take in become the session's next ones, in their order. Where the user has cancelled the
 * session they only go on record: to begin new work then would be the opposite of what was asked for.
 */
export const passOnCommands = async (
  change: SessionChange,
  run: RunRow,
  { cancelled }: { cancelled: boolean },
): Promise<void> => {
  const messages = (await closeCommands(change.tx, run.id, !cancelled)).filter(({ type }) => type === 'message')
  for (const { id, text } of messages) {
    const prompt = text ?? ''
    if (cancelled) {
      const [row] = await insertMessages(change.tx, run.session_id, run.id, [promptMessage(prompt)])
      if (row) logMessage(change, run.id, row)
      continue
    }
    // Files belong to the message that they came with.
    const { workspace: _, ...config }: TaskConfig = run.config
    await insertRun(change, {
      ...{ id, jobId: id, taskId: null, prompt, config },
      ...{ permissionMode: run.permission_mode, scheduleMode: 'immediate', attended: true },
      // The request's id stays with the command: the user may have used it for another message, too.
      clientRequestId: null,
    })
  }
}
