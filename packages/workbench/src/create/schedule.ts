import { TuttiError } from '@tutti/contracts'
import { DateTime, IANAZone } from 'luxon'

export interface Asked {
  schedule_mode?: string | undefined
  scheduled_at?: string | null | undefined
  timezone?: string | null | undefined
}

export interface Schedule {
  mode: string
  /** Milliseconds since the epoch; null: as soon as somebody takes it. */
  at: number | null
}

/** When a message is to be answered. @throws TuttiError INVALID_BODY with the path of the fault */
export const scheduleOf = ({ schedule_mode: mode = 'immediate', scheduled_at: text, timezone }: Asked): Schedule => {
  const zone = timezone ?? 'UTC'
  if (!IANAZone.isValidZone(zone))
    throw fault('timezone', `"${zone}" is not a time zone; use an IANA name like Europe/Vienna`)
  if (text === undefined || text === null || text === '') {
    if (mode === 'scheduled') throw fault('scheduled_at', 'a scheduled task needs scheduled_at')
    return { mode, at: null }
  }
  if (mode === 'nightly') throw fault('scheduled_at', 'a nightly task has no instant of its own')
  const at = DateTime.fromISO(text, { zone })
  if (!at.isValid) throw fault('scheduled_at', `"${text}" is not an instant in ISO 8601`)
  return { mode: mode === 'immediate' ? 'scheduled' : mode, at: at.toMillis() }
}

const fault = (field: string, message: string): TuttiError =>
  new TuttiError('INVALID_BODY', `body.${field}: ${message}`, { path: `body.${field}` })
