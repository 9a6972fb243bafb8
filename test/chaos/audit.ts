/** What must hold of every session, whatever was ended while it went on. Pure: each promise can be read off it. */
import type { RunView, SessionFrame } from '@tutti/contracts'
import type { Strike } from './executioner.ts'
import type { SessionFacts } from './facts.ts'
import { isEnd, type PlayedSession, type PlayedTurn } from './player.ts'
import { type ProviderCall, tagLine } from './provider.ts'

export interface Evidence {
  facts: SessionFacts
  strikes: readonly Strike[]
  calls: readonly ProviderCall[]
}

/** Tries of a turn; more hits than this, and it may fail. */
const tries = 3

/** @returns what does not hold, in words that name the session and the turn */
export const auditSession = (session: PlayedSession, evidence: Evidence): string[] => {
  const found = [
    ...auditLog(session, evidence.facts),
    ...auditOrder(session, evidence.facts),
    ...session.turns.flatMap((played) => [
      ...auditEnd(session, played, evidence),
      ...auditUserWords(played, evidence.facts),
      ...auditAgentWords(played, evidence),
      ...auditTools(played, evidence.facts),
      ...auditFiles(played, evidence.facts),
    ]),
    ...auditLines(session, evidence.facts),
  ]
  return found.map((what) => `${session.name} (${session.sessionId}): ${what}`)
}

const auditLog = ({ follower, ownFrom }: PlayedSession, { frames, messages, queued, status }: SessionFacts) => {
  const found: string[] = []
  if (frames.some(({ seq }, at) => seq !== at + 1)) found.push(`the log has a gap: ${frames.map(({ seq }) => seq)}`)
  const seen = (frame: SessionFrame): string => JSON.stringify([frame.seq, frame.type, frame.data])
  const other = follower.frames.findIndex((frame, at) => frames[at] === undefined || seen(frame) !== seen(frames[at]))
  if (other >= 0) found.push(`a reader was told another line ${other + 1} than the log has`)
  const logged = frames.filter(({ type }) => type === 'message.new').map(({ data }) => data.id)
  const kept = messages.map(({ id }) => id).filter((id) => id >= ownFrom)
  if (JSON.stringify(logged) !== JSON.stringify(kept)) found.push(`messages ${kept} are logged as ${logged}`)
  if (queued > 0) found.push(`${queued} messages are left in the queue`)
  if (!['completed', 'failed', 'canceled'].includes(status)) found.push(`the session is ${status}`)
  return found
}

const runIdOf = (played: PlayedTurn): string => played.steered ?? played.runId
const isWork = ({ type, data }: SessionFrame): boolean =>
  type === 'tool.call' || type === 'tool.result' || (type === 'message.new' && data.role !== 'user')

/** What one run's agent did lies between the beginning and the end of that run, and no other's lies there. */
const auditOrder = (_: PlayedSession, { frames }: SessionFacts): string[] => {
  const found: string[] = []
  const over = new Set<unknown>()
  let current: unknown
  for (const frame of frames) {
    const { run_id, run_status } = frame.data
    if (frame.type === 'session.status' && run_id !== undefined) {
      if (run_status === 'claimed') current = run_id
      if (['completed', 'failed', 'canceled'].includes(String(run_status))) over.add(run_id)
    }
    if (!isWork(frame)) continue
    if (over.has(run_id)) found.push(`line ${frame.seq} is of run ${run_id}, which had ended`)
    else if (run_id !== current) found.push(`line ${frame.seq} is of run ${run_id} while ${current} is at work`)
  }
  return found
}

const ownDeaths: ReadonlySet<string> = new Set(['executor killed', 'sandbox killed', 'waiting sandbox killed'])

/** How often the run's sandbox was ended. A host or a manager that died, or was not heard of, costs a run its time and none of its tries. */
const hits = (session: PlayedSession, run: RunView, { strikes }: Evidence): number => {
  const from = Date.parse(run.created_at)
  const to = Date.parse(run.finished_at ?? '9999-01-01')
  return strikes.filter(
    ({ kind, at, sessions }) => ownDeaths.has(kind) && sessions.includes(session.sessionId) && at >= from && at <= to,
  ).length
}

const auditEnd = (session: PlayedSession, played: PlayedTurn, evidence: Evidence): string[] => {
  const { turn, end } = played
  const run = evidence.facts.runs.get(runIdOf(played))
  if (run === undefined) return [`${turn.tag} has no run ${runIdOf(played)}`]
  if (end === undefined || end !== run.status) return [`${turn.tag} is ${run.status} (told: ${end}): ${run.last_error}`]
  const told = evidence.facts.frames.filter(isEnd(run.run_id)).length
  if (told !== 1) return [`the end of ${turn.tag} is told ${told} times`]
  if (end === 'completed') return played.cancelled ? [] : turn.kind === 'budget' ? budgetHeld(played, evidence) : []
  if (end === 'canceled') return played.cancelled ? [] : [`${turn.tag} was cancelled by nobody: ${run.last_error}`]
  if (turn.kind === 'budget' && run.last_error?.startsWith('BUDGET_EXCEEDED')) return budgetHeld(played, evidence)
  const struck = hits(session, run, evidence)
  return struck >= tries ? [] : [`${turn.tag} failed after ${struck} hits and ${run.attempts} tries: ${run.last_error}`]
}

/** One call may go over it; and what was asked while its holder died nobody could tell the ledger. */
const budgetHeld = ({ turn, runId }: PlayedTurn, { facts, calls }: Evidence): string[] => {
  const mine = calls.filter(({ tags }) => tags.at(-1) === turn.tag)
  const most = Math.max(0, ...mine.map(({ tokens }) => tokens))
  const asked = mine.reduce((sum, { tokens }) => sum + tokens, 0)
  const attempts = facts.runs.get(runId)?.attempts ?? 1
  const limit = (turn.tokens ?? 0) + most * attempts
  return asked <= limit ? [] : [`${turn.tag} used ${asked} tokens of ${turn.tokens}, in ${attempts} tries`]
}

const textsOf = (data: SessionFrame['data']): string[] => {
  const { content } = (data.content ?? {}) as { content?: { _type?: string; text?: string }[] }
  return Array.isArray(content)
    ? content.flatMap(({ _type, text }) => (_type === 'TextBlock' && text ? [text] : []))
    : []
}

const auditUserWords = ({ turn }: PlayedTurn, { frames }: SessionFacts): string[] => {
  const said = frames.filter(
    ({ type, data }) =>
      type === 'message.new' && data.role === 'user' && textsOf(data).some((text) => text.includes(tagLine(turn.tag))),
  ).length
  return said === 1 ? [] : [`the user said ${turn.tag} once, and it is kept ${said} times`]
}

/** In each hand-out what it said comes in the turn's order, each once; a completed turn has said all, and its last word last. */
const auditAgentWords = (played: PlayedTurn, { facts, calls }: Evidence): string[] => {
  const { turn, end } = played
  const runId = runIdOf(played)
  const found: string[] = []
  const handOuts: number[][] = []
  for (const { type, data } of facts.frames) {
    if (data.run_id !== runId) continue
    if (type === 'session.status' && data.run_status === 'claimed') handOuts.push([])
    if (type !== 'message.new' || data.role !== 'assistant') continue
    for (const text of textsOf(data)) {
      const at = turn.says.indexOf(text)
      if (at >= 0) handOuts.at(-1)?.push(at)
    }
  }
  for (const said of handOuts)
    if (said.some((at, n) => n > 0 && at <= (said[n - 1] ?? -1)))
      found.push(`${turn.tag} was said in the order ${said.join()}`)
  if (played.steered !== null) return [...found, ...auditSteering(played, calls)]
  const steers = turn.kind === 'steer'
  if (end !== 'completed' || steers) return found
  const missing = turn.says.filter((_, at) => !handOuts.some((said) => said.includes(at)))
  if (missing.length > 0) found.push(`${turn.tag} was completed without ${missing.join(', ')}`)
  // The hand-out that ended it may have had nothing left to say.
  if (handOuts.flat().at(-1) !== turn.says.length - 1) found.push(`${turn.tag}’s last word did not come last`)
  return found
}

/** What was said to the run while it ran is in the conversation that led to its end, whichever attempt that was. */
const auditSteering = ({ turn, end }: PlayedTurn, calls: readonly ProviderCall[]): string[] => {
  if (end !== 'completed') return []
  const first = turn.tag.replace(/b$/, '')
  const last = calls.findLast(({ tags }) => tags.at(-1) === first || tags.at(-1) === turn.tag)
  return last?.tags.includes(turn.tag) ? [] : [`the attempt that completed ${first} never heard ${turn.tag}`]
}

const auditTools = (played: PlayedTurn, { tools }: SessionFacts): string[] =>
  tools
    .filter(({ run_id, tool_output }) => run_id === runIdOf(played) && tool_output === null)
    .map(({ tool_name, tool_use_id }) => `${played.turn.tag}: ${tool_name} ${tool_use_id} has no result`)

/** The last to tell is the attempt that led to the end: where it went on with what an attempt before it had done, it tells that. */
const auditFiles = ({ turn, end, steered, runId }: PlayedTurn, { files, frames }: SessionFacts): string[] => {
  if (end !== 'completed' || steered !== null) return []
  const found: string[] = []
  for (const [path, contents] of Object.entries(turn.files))
    if (files.get(path)?.contents !== contents) found.push(`${path} is ${JSON.stringify(files.get(path)?.contents)}`)
  if (turn.nonce === null) return found
  const told = frames
    .filter(({ type, data }) => type === 'tool.result' && data.run_id === runId)
    .map(({ data }) => /nonce ([0-9a-f]{16})/.exec(JSON.stringify(data.tool_output))?.[1])
    .findLast((nonce) => nonce !== undefined)
  const kept = files.get(turn.nonce)?.contents
  if (kept !== told) found.push(`${turn.nonce} holds ${kept}, and its last attempt wrote ${told}`)
  return found
}

/** One line for each attempt whose workspace lived on, in the order of the turns. */
const auditLines = ({ turns, ownFrom }: PlayedSession, { files, runs }: SessionFacts): string[] => {
  const lines = (files.get('lines.txt')?.contents ?? '').split('\n').filter((line) => line !== '')
  const found: string[] = []
  const order = [...new Set(lines)]
  const again = order.find(
    (tag) => lines.lastIndexOf(tag) - lines.indexOf(tag) >= lines.filter((one) => one === tag).length,
  )
  if (again !== undefined) found.push(`lines of ${again} lie between those of another turn: ${lines}`)
  for (const played of turns) {
    const { turn, end } = played
    const count = lines.filter((line) => line === turn.tag).length
    const attempts = runs.get(played.runId)?.attempts ?? 0
    if (count > attempts) found.push(`${turn.tag} left ${count} lines in ${attempts} attempts`)
    if (end === 'completed' && turn.nonce !== null && count === 0) found.push(`${turn.tag} left no line`)
  }
  const known = new Set(turns.map(({ turn }) => turn.tag))
  const strange = order.filter((tag) => !known.has(tag))
  if (ownFrom === 0 && strange.length > 0) found.push(`lines of other sessions: ${strange}`)
  return found
}
