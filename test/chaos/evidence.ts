/** What happened in a session that did not hold, strikes included, in the order of time: for who has to find out why. */
import type { SessionFrame } from '@tutti/contracts'
import type { Strike } from './executioner.ts'
import type { SessionFacts } from './facts.ts'
import type { PlayedSession } from './player.ts'

export const tellSession = (session: PlayedSession, facts: SessionFacts, strikes: readonly Strike[]): string[] => {
  const tags = new Map(session.turns.map(({ turn, runId }) => [runId, turn.tag]))
  const lines = facts.frames.map((frame) => ({ at: Date.parse(frame.timestamp), text: tell(frame, tags) }))
  const began = lines[0]?.at ?? 0
  const ended = lines.at(-1)?.at ?? 0
  const struck = strikes
    .filter(({ at }) => at >= began && at <= ended)
    .map(({ at, kind, moment, victim, sessions }) => ({
      at,
      text: `  *** ${kind} at ${moment}: ${victim}${sessions.includes(session.sessionId) ? ', which had it in hand' : ''}`,
    }))
  return [
    `--- ${session.name} ${session.sessionId}; files: ${[...facts.files.keys()].join(' ')}`,
    ...[...facts.runs.values()].map(
      (run) => `run ${tags.get(run.run_id)} ${run.run_id}: ${run.status}, ${run.attempts} attempts, ${run.claimed_by}`,
    ),
    ...[...lines, ...struck]
      .sort((a, b) => a.at - b.at)
      .map(({ at, text }) => `${new Date(at).toISOString().slice(11, 23)} ${text}`),
  ]
}

const tell = ({ seq, type, data }: SessionFrame, tags: ReadonlyMap<string, string>): string => {
  const { run_id, ...rest } = data
  const said = JSON.stringify(rest.content ?? rest).replaceAll(/"_type":"[A-Za-z]+",?/g, '')
  return `${seq} ${tags.get(String(run_id)) ?? ''} ${type} ${rest.role ?? ''} ${said.slice(0, 160)}`
}
