/** The audit finds what it is for: each of these logs is doctored in one place. */
import type { RunView, SessionFrame } from '@tutti/contracts'
import { createRandom } from '@tutti/stores/simulator'
import { expect, test } from 'vitest'
import { auditSession, type Evidence } from './audit.ts'
import type { FaultKind, Strike } from './executioner.ts'
import type { SessionFacts } from './facts.ts'
import { leftBy, type Seen } from './leftovers.ts'
import { planSession, type Turn } from './plan.ts'
import type { PlayedSession, PlayedTurn } from './player.ts'

const sessionId = '00000000-0000-4000-8000-000000000001'
const runId = '00000000-0000-4000-8000-000000000002'

const workTurn = (): Turn => {
  for (let n = 1; ; n += 1) {
    const turn = planSession(createRandom(n), n).turns.find(({ kind }) => kind === 'work')
    if (turn) return turn
  }
}

type Line = [type: SessionFrame['type'], data: Record<string, unknown>]

/** What a turn leaves behind that was done twice, because its first attempt died after its second word. */
const nonce = '0123456789abcdef'

const twiceTried = (turn: Turn): Line[] => {
  let id = 0
  const says = (role: string, text: string): Line => {
    id += 1
    return ['message.new', { id, role, run_id: runId, content: { content: [{ _type: 'TextBlock', text }] } }]
  }
  const status = (run_status: string): Line => ['session.status', { run_id: runId, run_status }]
  const [a = '', b = '', ...rest] = turn.says
  return [
    says('user', turn.prompt),
    status('queued'),
    ...[status('claimed'), status('running'), says('assistant', a), says('assistant', b)],
    ['run.attempt', { run_id: runId, attempt: 2 }],
    ...[status('claimed'), status('running'), says('assistant', a), says('assistant', b)],
    ['tool.result', { run_id: runId, tool_use_id: 'one', tool_output: `nonce ${nonce}` }],
    ...rest.map((text) => says('assistant', text)),
    status('completed'),
  ]
}

interface Given {
  lines: Line[]
  facts: SessionFacts
  turn: Turn
  strikes: Strike[]
  played: PlayedTurn
}

const auditOf = (doctor: (given: Given) => void): string[] => {
  const turn = workTurn()
  const lines = twiceTried(turn)
  const run = { run_id: runId, status: 'completed', attempts: 2, created_at: '2026-01-01T00:00:00Z' } as RunView
  const files = new Map(
    Object.entries({ ...turn.files, [`${turn.tag}.nonce`]: nonce, 'lines.txt': `${turn.tag}\n${turn.tag}\n` }).map(
      ([path, contents]) => [path, { sha256: '', contents }],
    ),
  )
  const tool = { run_id: runId, tool_name: 'Bash', tool_use_id: 'one', tool_output: `nonce ${nonce}` }
  const facts = {
    ...{ frames: [], messages: [], runs: new Map([[runId, run]]), files, queued: 0, status: 'completed' },
    tools: [tool],
  } as unknown as SessionFacts
  const strikes: Strike[] = []
  const played: PlayedTurn = { turn, runId, cancelled: false, end: 'completed', steered: null }
  doctor({ lines, facts, turn, strikes, played })
  facts.frames = lines.map(([type, data], at) => ({
    ...{ type, session_id: sessionId, seq: at + 1, timestamp: '2026-01-01T00:00:00Z' },
    data: data as SessionFrame['data'],
  }))
  facts.messages = lines.flatMap(([type, data]) =>
    type === 'message.new' ? [{ id: data.id } as SessionFacts['messages'][number]] : [],
  )
  const session: PlayedSession = {
    ...{ name: 's1', sessionId, ownFrom: 0 },
    turns: [played],
    follower: { frames: [], until: async () => undefined, readOn: async () => {} },
  }
  const evidence: Evidence = { facts, strikes, calls: [] }
  return auditSession(session, evidence)
}

const toolsOf = ({ facts }: { facts: SessionFacts }) => facts.tools as { tool_output: unknown }[]

test('turn-that-was-tried-twice-and-kept-every-promise-is-found-in-order', () => {
  expect(auditOf(() => {})).toEqual([])
})

const doctored: [string, Parameters<typeof auditOf>[0], RegExp][] = [
  [
    'word-of-a-replaced-attempt-after-its-successor-began',
    ({ lines }) => lines.splice(9, 0, lines[4] as Line),
    /order/,
  ],
  ['users-words-doubled', ({ lines }) => lines.splice(1, 0, lines[0] as Line), /kept 2 times/],
  ['users-words-lost', ({ lines }) => lines.shift(), /kept 0 times/],
  ['word-after-the-end', ({ lines }) => lines.push(lines[4] as Line), /had ended/],
  ['end-told-twice', ({ lines }) => lines.push(lines.at(-1) as Line), /told 2 times/],
  ['last-word-missing', ({ lines }) => lines.splice(-2, 1), /completed without/],
  ['call-without-a-result', (given) => Object.assign(toolsOf(given)[0] ?? {}, { tool_output: null }), /no result/],
  [
    'file-of-a-replaced-attempt',
    ({ facts, turn }) => facts.files.set(`${turn.tag}.nonce`, { sha256: '', contents: 'f'.repeat(16) }),
    /its last attempt wrote/,
  ],
  [
    'file-that-an-attempt-has-written-anew',
    ({ lines }) =>
      lines.splice(-2, 0, [
        'tool.result',
        { run_id: runId, tool_use_id: 'one', tool_output: `nonce ${'f'.repeat(16)}` },
      ]),
    /its last attempt wrote f/,
  ],
  ['file-missing', ({ facts, turn }) => facts.files.delete(Object.keys(turn.files)[0] ?? ''), /is undefined/],
  ['message-left-in-the-queue', ({ facts }) => Object.assign(facts, { queued: 1 }), /left in the queue/],
  [
    'more-effects-than-attempts',
    ({ facts, turn }) => facts.files.set('lines.txt', { sha256: '', contents: `${turn.tag}\n`.repeat(3) }),
    /3 lines in 2 attempts/,
  ],
]

const failedAfter = (kinds: FaultKind[]) =>
  auditOf(({ lines, facts, strikes, played }) => {
    lines.splice(-1, 1, ['session.status', { run_id: runId, run_status: 'failed' }])
    Object.assign(facts.runs.get(runId) ?? {}, { status: 'failed' })
    played.end = 'failed'
    const at = Date.parse('2026-01-01T00:00:01Z')
    strikes.push(...kinds.map((kind): Strike => ({ kind, at, moment: 'any', victim: 'it', sessions: [sessionId] })))
  })

test('a-run-that-failed-because-managers-died-is-found-and-one-whose-sandbox-was-ended-three-times-is-excused', () => {
  expect(failedAfter(['manager killed', 'manager killed', 'postgres ended', 'sandbox killed']).join()).toMatch(
    /failed after 1 hits/,
  )
  expect(failedAfter(['sandbox killed', 'executor killed', 'sandbox killed'])).toEqual([])
})

for (const [name, doctor, told] of doctored)
  test(`${name}-is-found`, () => {
    expect(auditOf(doctor).join('\n')).toMatch(told)
  })

const root = '/tmp/installation'
const alive = { workspaceRoot: `${root}/manager-1`, pid: 100, startTime: '5000' }
const ahead = (name: string, manager: Pick<typeof alive, 'pid' | 'startTime'> = alive) => ({
  ...{ id: `ahead-${name}`, cgroups: [], manager: { pid: manager.pid, startTime: manager.startTime } },
  workspace: `${root}/manager-1/pool/100-${name}`,
})
const processOf = (pid: number, name: string, workspace = `${root}/manager-1/pool/100-${name}`) => ({
  ...{ pid, command: 'node executor' },
  mounts: [workspace, `${root}/manager-1/relay/100-${name}`, `${root}/manager-1/compiled`],
})
const waiting = (): Seen => ({
  ...{ managers: [alive], records: [ahead('a')], processes: [processOf(1, 'a'), processOf(2, 'a')] },
  ...{ sockets: [`${root}/manager-1/relay/100-a`], folders: [`${root}/manager-1/pool/100-a`] },
})
const leftWith = (more: (seen: Seen) => Partial<Seen>, pool = 1): string[] => {
  const seen = waiting()
  return leftBy({ ...seen, ...more(seen) }, pool)
}

test('sandbox-that-waits-for-a-live-manager-is-no-leftover-with-its-processes-socket-and-folder', () => {
  expect(leftWith(() => ({}))).toEqual([])
})

const leftovers: [string, (seen: Seen) => Partial<Seen>, RegExp, pool?: number][] = [
  ['waiting-sandbox-after-the-end', () => ({}), /sandbox is left.*socket.*folder is left.*process is left/s, 0],
  ['waiting-sandbox-of-a-manager-that-died', () => ({ managers: [{ ...alive, pid: 0 }] }), /a sandbox is left/],
  ['waiting-sandbox-of-a-former-process', () => ({ managers: [{ ...alive, startTime: '6000' }] }), /a sandbox is left/],
  ['one-sandbox-more-than-may-wait', ({ records }) => ({ records: [...records, ahead('b')] }), /ahead-b/],
  [
    'bound-sandbox-of-a-run-that-ended',
    () => ({ records: [{ ...ahead('a'), workspace: `${root}/manager-1/active/u/s/workspace` }] }),
    /ahead-a in .*active/,
  ],
  ['sandbox-of-a-session', ({ records }) => ({ records: [...records, { ...ahead('c'), id: 's-one' }] }), /s-one/],
  [
    'process-without-a-record',
    ({ processes }) => ({ processes: [...processes, processOf(3, 'c', `${root}/manager-1/active/u/s/workspace`)] }),
    /process is left: 3/,
  ],
  ['socket-of-nobody', ({ sockets }) => ({ sockets: [...sockets, `${root}/manager-1/relay/100-z`] }), /relay\/100-z/],
  ['folder-of-nobody', ({ folders }) => ({ folders: [...folders, `${root}/manager-1/pool/99-z`] }), /pool\/99-z/],
]

for (const [name, more, told, pool] of leftovers)
  test(`${name}-is-left`, () => {
    expect(leftWith(more, pool).join('\n')).toMatch(told)
  })
