/** Plays the user of one session, by the plan: says, answers, queues, steers, cancels, branches; and keeps what it was told. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { MessageView, RunStatus, SessionFrame, SteerAnswer, TaskCreated } from '@tutti/contracts'
import { type Caller, type Follower, followSession } from './client.ts'
import type { SessionPlan, Turn } from './plan.ts'

export interface PlayedTurn {
  turn: Turn
  runId: string
  /** The user pressed cancel while it ran. */
  cancelled: boolean
  /** Undefined: it never came to an end. */
  end: RunStatus | undefined
  /** The run that took it in while it ran; a steering message that came too late has a run of its own. */
  steered: string | null
}

export interface PlayedSession {
  name: string
  sessionId: string
  /** Ids of messages from here on are its own; those before were copied from another session. */
  ownFrom: number
  turns: PlayedTurn[]
  follower: Follower
}

export interface Stage {
  caller: Caller
  /** Nothing new is begun. */
  closing: AbortSignal
  /** Nothing is waited for any more. */
  stuck: AbortSignal
  saw: (sessionId: string, frame: SessionFrame) => void
  sessions: PlayedSession[]
}

export const playSession = async (stage: Stage, plan: SessionPlan): Promise<void> => {
  let session: PlayedSession | undefined
  for (const turn of plan.turns) {
    if (stage.closing.aborted || stage.stuck.aborted) return
    const sent = await send(stage.caller, turn, session?.sessionId)
    session ??= open(stage, plan.name, sent.session_id)
    const played = await playTurn(stage, session, turn, sent)
    if (turn.kind === 'branch' && played.end === 'completed') await playBranch(stage, session, played)
  }
}

const open = (stage: Stage, name: string, sessionId: string, ownFrom = 0): PlayedSession => {
  const follower = followSession(stage.caller, sessionId, (frame) => stage.saw(sessionId, frame))
  const session: PlayedSession = { name, sessionId, ownFrom, turns: [], follower }
  stage.sessions.push(session)
  return session
}

/** Sent again under the same id until it is answered. */
const send = async ({ call }: Caller, turn: Turn, sessionId: string | undefined): Promise<TaskCreated> => {
  const { status, data, message } = await call<TaskCreated>('POST', '/tasks', {
    prompt: turn.prompt,
    permission_mode: 'bypassPermissions',
    client_request_id: randomUUID(),
    ...(sessionId === undefined ? {} : { session_id: sessionId }),
    ...(turn.tokens === null ? {} : { config: { budget: { tokens: turn.tokens } } }),
  })
  if (status !== 200) throw new Error(`${turn.tag} was refused: ${status} ${message}`)
  return data
}

const playTurn = async (stage: Stage, session: PlayedSession, turn: Turn, sent: TaskCreated): Promise<PlayedTurn> => {
  const { follower } = session
  const played = begun(session, turn, runOf(sent))
  if (turn.kind === 'cancel' || turn.second !== null) {
    await follower.until(either(calls(played.runId), isEnd(played.runId)), stage.stuck)
    await delay(turn.pauseMs)
    if (turn.kind === 'cancel') {
      played.cancelled = true
      await stage.caller.call('POST', `/sessions/${session.sessionId}/cancel`, { client_request_id: randomUUID() })
    } else if (turn.second !== null) await playSecond(stage, session, played, turn.second)
  }
  played.end ??= await end(stage, session, turn, played.runId)
  return played
}

const begun = (session: PlayedSession, turn: Turn, runId: string): PlayedTurn => {
  const played: PlayedTurn = { turn, runId, cancelled: false, end: undefined, steered: null }
  session.turns.push(played)
  return played
}

/** What was typed while the first one ran. After a failure a person has to say that it goes on. */
const playSecond = async (stage: Stage, session: PlayedSession, first: PlayedTurn, turn: Turn): Promise<void> => {
  const { caller } = stage
  const path = `/sessions/${session.sessionId}`
  const steers = first.turn.kind === 'steer'
  const said = steers
    ? await caller.call<SteerAnswer>('POST', `${path}/messages/steer`, {
        prompt: turn.prompt,
        client_request_id: randomUUID(),
      })
    : { data: await send(caller, turn, session.sessionId), status: 200 }
  if (said.status !== 200) throw new Error(`${turn.tag} was refused: ${said.status}`)
  const { data } = said
  const id = data.accepted_type === 'command' ? data.command_id : runOf(data)
  const second = begun(session, turn, id)
  first.end = await end(stage, session, first.turn, first.runId)
  if (data.accepted_type === 'command' && (await runThere(caller, id)) === false) {
    if (first.end !== 'failed' && first.end !== undefined) {
      second.steered = first.runId
      second.end = first.end
      return
    }
    // Taken in by the run that failed, or waiting in the queue that paused.
    const answer = await caller.call('POST', `${path}/queued-queries/${id}/send-now`)
    if (answer.status === 404) {
      second.steered = first.runId
      second.end = first.end
      return
    }
  } else if (first.end === 'failed') await caller.call('POST', `${path}/queued-queries/${id}/send-now`)
  second.end = await end(stage, session, turn, id)
}

const runThere = async ({ call }: Caller, id: string): Promise<boolean> =>
  (await call('GET', `/runs/${id}`)).status === 200

const runOf = (sent: Pick<TaskCreated, 'run_id' | 'queue_item_id'>): string => {
  const id = sent.run_id ?? sent.queue_item_id
  if (id === null) throw new Error('a message was taken, and is neither a run nor in the queue')
  return id
}

/** Waits for the run's end, and answers what it asks until then: again, where a new attempt asks again. */
const end = async (
  stage: Stage,
  { follower }: PlayedSession,
  turn: Turn,
  runId: string,
): Promise<RunStatus | undefined> => {
  const answered = new Set<string>()
  const asks = (frame: SessionFrame): string | undefined => pending(frame, runId).find((id) => !answered.has(id))
  for (;;) {
    const frame = await follower.until(
      either(isEnd(runId), (each) => asks(each) !== undefined),
      stage.stuck,
    )
    if (frame === undefined) return undefined
    // Where it has ended meanwhile nobody waits for an answer.
    const ended = follower.frames.find(isEnd(runId))
    if (ended) return ended.data.run_status as RunStatus
    const id = asks(frame)
    if (id === undefined) continue
    await delay(turn.pauseMs)
    answered.add(id)
    await stage.caller.call('POST', `/user-input-requests/${id}/answer`, { answers: { [`${turn.tag}?`]: 'blue' } })
  }
}

const pending = ({ type, data }: SessionFrame, runId: string): string[] =>
  type === 'user_input.update'
    ? (data.requests as { id: string; run_id: string }[]).filter((one) => one.run_id === runId).map(({ id }) => id)
    : []

const ended: readonly unknown[] = ['completed', 'failed', 'canceled']
export const isEnd =
  (runId: string) =>
  ({ type, data }: SessionFrame): boolean =>
    type === 'session.status' && data.run_id === runId && ended.includes(data.run_status)
const calls =
  (runId: string) =>
  ({ type, data }: SessionFrame): boolean =>
    type === 'tool.call' && data.run_id === runId
const either =
  (...tests: ((frame: SessionFrame) => boolean)[]) =>
  (frame: SessionFrame): boolean =>
    tests.some((test) => test(frame))

/** A session of its own from the end of a turn, where one more turn is taken. */
const playBranch = async (stage: Stage, source: PlayedSession, played: PlayedTurn): Promise<void> => {
  const { call, get } = stage.caller
  const messages = await get<MessageView[]>(`/sessions/${source.sessionId}/messages`)
  const last = messages.at(-1)
  if (!last) return
  const branched = await call<{ session_id: string }>('POST', `/sessions/${source.sessionId}/branch`, {
    message_id: last.id,
    client_request_id: randomUUID(),
  })
  if (branched.status !== 200) throw new Error(`a branch was refused: ${branched.status} ${branched.message}`)
  const { session_id } = branched.data
  const copied = await get<MessageView[]>(`/sessions/${session_id}/messages`)
  const branch = open(stage, `${source.name} branch`, session_id, (copied.at(-1)?.id ?? 0) + 1)
  const turn = retagged(played.turn, `${played.turn.tag}c`)
  await playTurn(stage, branch, turn, await send(stage.caller, turn, session_id))
}

/** The same turn under another name. */
const retagged = (turn: Turn, tag: string): Turn => JSON.parse(JSON.stringify(turn).replaceAll(turn.tag, tag)) as Turn
