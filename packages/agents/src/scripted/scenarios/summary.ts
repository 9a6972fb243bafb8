/**
 * The scenario of "Read FILE and write a summary to FILE": reads the one, writes the first sentences of its text into the
 * other, and says that it chose them by their place. What can't be read is not summed up.
 */
import type { Conversation } from '../conversation.ts'
import type { Scenario, Step } from '../step.ts'
import { isWriteOf, read, write } from './file-tools.ts'
import { fileText } from './tool-output.ts'

const name = String.raw`[\w./-]*\w`
const asks = new RegExp(String.raw`\bread (${name}),? and write a summary\b[^.\n]*? to (${name})`, 'i')
const longestSummary = 5

const next = (conversation: Conversation): Step => {
  const [, source = '', target = ''] = asks.exec(conversation.prompt) ?? []
  const { exchanges } = conversation
  const writes = exchanges.filter(isWriteOf(target))
  const [found, reread] = exchanges.filter((exchange) => !writes.includes(exchange))
  if (found === undefined) return { calls: [read(conversation, source)] }
  const { text } = fileText(found.result)
  if (text === undefined)
    return { say: [`I could not read ${source}: ${found.result?.text ?? 'no answer'}. ${whoSpeaks}`] }

  const sentences = firstSentences(text)
  const written = writes.at(-1)
  const attempt = (): Step => ({ calls: [write(conversation, target, summaryText(source, sentences))] })
  if (written === undefined) return attempt()
  if (written.result?.is_error !== false) {
    // A file that is already there must be read before it may be overwritten: one second try, then the fault is told.
    if (writes.length === 1) return reread === undefined ? { calls: [read(conversation, target)] } : attempt()
    return { say: [`I could not write ${target}: ${written.result?.text ?? 'no answer'}. ${whoSpeaks}`] }
  }
  const count = `${sentences.length} ${sentences.length === 1 ? 'sentence' : 'sentences'}`
  return { say: [`I wrote ${target}: the first ${count} of ${source}. ${whoSpeaks}`] }
}

const whoSpeaks = 'I am the scripted model, not an AI model.'

const summaryText = (source: string, sentences: string[]): string =>
  `${sentences.length === 0 ? `${source} holds no sentence.` : sentences.join(' ')}\n`

/** Of running text: headings, tables, lists and code are no sentences. */
const firstSentences = (text: string): string[] => {
  const prose = text
    .replaceAll(/^(`{3,}|~{3,})[\s\S]*?^\1/gm, '')
    .split('\n')
    .filter((line) => !/^\s*([#|>*+-]|\d+[.)]\s|<)/.test(line))
    .join('\n')
  const sentences = prose.split(/\n\s*\n/).flatMap((paragraph) => {
    const flat = paragraph.replaceAll(/\s+/g, ' ').trim()
    return flat.match(/.+?(?:[.!?]+(?=\s|$)|$)/g) ?? []
  })
  return sentences.map((sentence) => sentence.trim()).slice(0, longestSummary)
}

export const summary: Scenario = {
  name: 'summary',
  applies: ({ prompt }) => asks.test(prompt),
  next,
}
