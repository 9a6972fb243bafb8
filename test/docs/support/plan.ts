/** What is done with each block of a guide. Nothing is left over: a block is executed, or says by name why it can't be. */
import { type Block, readBlocks } from './blocks.ts'

export type Step =
  | { kind: 'file'; name: string; block: Block }
  | { kind: 'blueprint' | 'worker'; block: Block }
  | { kind: 'program' | 'server'; block: Block; output: Block | undefined }

export interface Plan {
  steps: Step[]
  /** The reasons that its blocks give. */
  notRun: string[]
  /** What keeps it from being executed in full, each with its line. */
  faults: string[]
}

/** @param reasons that a block may give for not being executed */
export const planOf = (markdown: string, reasons: readonly string[]): Plan => {
  const blocks = readBlocks(markdown)
  const fates = blocks.map((block, at) => ({ block, fate: fateOf(block, blocks[at - 1], blocks[at + 1]) }))
  const steps = fates.flatMap(({ fate }) => ('step' in fate ? [fate.step] : []))
  const faultOf = ({ block, fate }: (typeof fates)[number]): string[] => {
    if ('fault' in fate) return [fate.fault]
    if ('reason' in fate && !reasons.includes(fate.reason)) return [`"${fate.reason}" is no reason that the tests know`]
    if (!('step' in fate) || fate.step.kind !== 'file') return []
    const { name } = fate.step
    const used = steps.some((step) => step.block !== block && step.block.text.includes(name))
    return used ? [] : [`nothing that is executed names ${name}`]
  }
  return {
    steps,
    notRun: fates.flatMap(({ fate }) => ('reason' in fate ? [fate.reason] : [])),
    faults: fates.flatMap((each) => faultOf(each).map((fault) => `line ${each.block.line}: ${fault}`)),
  }
}

type Fate = { step: Step } | { reason: string } | { outputOf: Block } | { fault: string }

const fateOf = (block: Block, before: Block | undefined, after: Block | undefined): Fate => {
  const { language, words } = block
  const output = isOutput(after) ? after : undefined
  const [name, reason] = ['file=', 'not-run='].map((key) => behind(words, key))
  if (name !== undefined && words.length === 1) return { step: { kind: 'file', name, block } }
  if (reason !== undefined && words.length === 1) return { reason }
  switch (words.join(' ')) {
    case 'output':
      return before?.words[0] === 'run' && ['server', undefined].includes(before.words[1])
        ? { outputOf: before }
        : { fault: 'no command stands before this output' }
    case 'run':
      if (language === 'ts' || language === 'sh') return { step: { kind: 'program', block, output } }
      break
    case 'run server':
      if (language !== 'sh') break
      return output
        ? { step: { kind: 'server', block, output } }
        : { fault: 'what a server prints when it is ready stands behind it as output' }
    case 'run worker':
      if (language === 'ts') return { step: { kind: 'worker', block } }
      break
    case 'run blueprint':
      if (language === 'ts' || language === 'json') return { step: { kind: 'blueprint', block } }
      break
  }
  return { fault: `no test executes it (${language} ${words.join(' ')}): say how, or why not` }
}

const isOutput = (block: Block | undefined): block is Block => block?.words.join(' ') === 'output'

const behind = (words: string[], key: string): string | undefined =>
  words.find((word) => word.startsWith(key))?.slice(key.length)
