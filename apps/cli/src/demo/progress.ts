/** The job's log as it grows, for a person who watches. */
import { styleText } from 'node:util'
import type { JobEventView } from '@tutti/contracts'

export const createProgress = (write: (text: string) => void): ((event: JobEventView) => void) => {
  let queued = 0
  let finished = 0
  const line = (text: string): void => write(`${text}\n`)
  return ({ event_type, state, data }) => {
    switch (event_type) {
      case 'job_created':
        line(`${styleText('bold', state)}`)
        return
      case 'state_entered':
        line(styleText('bold', state))
        return
      case 'parallel_started':
        queued = Number(data.tasks)
        finished = 0
        line(`  ${queued} tasks for the workers`)
        return
      case 'task_finished': {
        finished += 1
        const of = queued > 0 ? ` ${finished}/${queued}` : ''
        const took =
          data.duration_ms === undefined ? '' : styleText('dim', ` ${Math.round(Number(data.duration_ms))} ms`)
        line(`  ${styleText('green', '✓')} ${data.skill}${of} by ${data.worker_id}${took}`)
        return
      }
      case 'parallel_finished':
        queued = 0
        return
      case 'task_failed':
      case 'task_lost':
      case 'task_retried':
      case 'handler_failed':
        line(styleText('yellow', `  ${event_type.replace('_', ' ')}: ${JSON.stringify(data)}`))
        return
      case 'approval_requested':
        line(`  waits for a person: ${data.message}`)
        return
      case 'approval_received':
        line(`  ${styleText('green', '✓')} ${data.decision} by ${data.by}`)
        return
      default:
    }
  }
}
