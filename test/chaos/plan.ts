/** What users will say, drawn from a seed, and what must come of it. */
import type { Random } from '@tutti/stores/simulator'
import { tagLine } from './provider.ts'

export type TurnKind = 'work' | 'question' | 'queue' | 'steer' | 'cancel' | 'budget' | 'branch'

export interface Turn {
  kind: TurnKind
  tag: string
  prompt: string
  /** What the agent says, in order; the last is the turn's last word. */
  says: string[]
  /** Files with contents that are known before. */
  files: Record<string, string>
  /** A file that every attempt writes anew, and tells what it wrote; null where there is none. */
  nonce: string | null
  /** Typed meanwhile: waits in the queue, or steers. */
  second: Turn | null
  /** Between what it waits for and what the user does then. */
  pauseMs: number
  tokens: number | null
}

export interface SessionPlan {
  name: string
  turns: Turn[]
}

export const planSession = (random: Random, n: number): SessionPlan => {
  const name = `s${n}`
  const kinds: TurnKind[] = random.chance(0.12)
    ? ['budget']
    : Array.from({ length: random.between(2, 3) }, () =>
        random.pick<TurnKind>(['work', 'work', 'question', 'question', 'queue', 'steer', 'cancel', 'branch']),
      )
  return { name, turns: kinds.map((kind, at) => turnOf(random, kind, `${name}-t${at + 1}`)) }
}

/** Two turns for a job that has agents at work. */
export const planJob = (random: Random, n: number): [Turn, Turn] => [
  turnOf(random, 'work', `s${n}-t1`),
  turnOf(random, 'work', `s${n}-t2`),
]

const turnOf = (random: Random, kind: TurnKind, tag: string): Turn => {
  const script = scripts[kind](random, tag)
  return {
    ...{ kind, tag, files: {}, nonce: `${tag}.nonce`, second: null, tokens: null },
    ...{ pauseMs: random.between(0, 600) },
    ...script,
    prompt: `${tagLine(tag)}\n\n\`\`\`scripted\n${JSON.stringify(script.steps)}\n\`\`\``,
  }
}

type Script = Partial<Turn> & { steps: object[]; says: string[] }

const says = (tag: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${tag} says ${at + 1}`)
const bash = (command: string): object => ({ tool: 'Bash', input: { command } })

/** Leaves a line for each attempt, and a file that no two attempts write alike. */
const toil = (random: Random, tag: string): object =>
  bash(
    `echo ${tag} >> lines.txt; od -An -N8 -tx1 /dev/urandom | tr -d ' \\n' > ${tag}.nonce; ` +
      `sleep ${(random.between(1, 12) / 10).toFixed(1)}; echo "nonce $(cat ${tag}.nonce)"`,
  )

const work = (random: Random, tag: string): Script => {
  const [a = '', b = '', c = '', d = ''] = says(tag, 4)
  const content = `${tag} ${random.uuid()}\n`.repeat(random.between(1, 40))
  const file = `/workspace/${tag}.txt`
  return {
    says: [a, b, c, d],
    files: { [`${tag}.txt`]: content },
    steps: [
      { say: a },
      toil(random, tag),
      { say: b },
      { tool: 'Write', input: { file_path: file, content } },
      { say: c },
      { tool: 'Read', input: { file_path: file } },
      { say: d },
    ],
  }
}

const scripts: Record<TurnKind, (random: Random, tag: string) => Script> = {
  work,
  branch: work,
  question: (random, tag) => {
    const [a = '', b = '', c = '', d = ''] = says(tag, 4)
    const options = ['red', 'blue'].map((label) => ({ label, description: label }))
    const questions = [{ question: `${tag}?`, header: 'Colour', multiSelect: false, options }]
    return {
      says: [a, b, c, d],
      steps: [
        { say: a },
        toil(random, tag),
        { say: b },
        { tool: 'AskUserQuestion', input: { questions } },
        { say: c },
        bash(`echo answered ${tag}`),
        { say: d },
      ],
    }
  },
  queue: (random, tag) => ({ ...work(random, tag), second: turnOf(random, 'work', `${tag}b`) }),
  steer: (random, tag) => {
    const [a = '', b = ''] = says(tag, 2)
    const heard = turnOf(random, 'work', `${tag}b`)
    const last = `${tag}b says 1`
    return {
      says: [a, b],
      steps: [{ say: a }, toil(random, tag), bash('sleep 0.5'), { say: b }],
      second: {
        ...{ ...heard, says: [last], files: {}, nonce: null },
        prompt: `${tagLine(`${tag}b`)}\n\n\`\`\`scripted\n${JSON.stringify([{ say: last }])}\n\`\`\``,
      },
    }
  },
  cancel: (_, tag) => {
    const [a = '', b = ''] = says(tag, 2)
    return {
      says: [a, b],
      nonce: null,
      steps: [{ say: a }, bash(`echo ${tag} >> lines.txt; sleep 8`), { say: b }],
    }
  },
  // Its calls are more than the budget has room for, so the end is a refusal, whatever is killed before.
  budget: (random, tag) => {
    const words = says(tag, 9)
    return {
      says: words,
      nonce: null,
      tokens: random.between(60_000, 120_000),
      steps: words.flatMap((say, at) => (at === words.length - 1 ? [{ say }] : [{ say }, bash(`sleep 0.${at}`)])),
    }
  },
}
