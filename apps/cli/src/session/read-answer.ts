/** What a person types as an answer, in the words of the API. Pure. */
import type { AnswerRequest, JsonObject, UserInputRequestView } from '@tutti/contracts'
import { UsageError } from '../faults.ts'

export interface Question {
  text: string
  options: { label: string; description: string }[]
  several: boolean
}

/** How many texts answer it: one for each question; a plan and a permission take one. */
export const questionsOf = ({ kind, tool_input }: Asked): Question[] => {
  if (kind !== 'question') return []
  return objects(tool_input.questions).flatMap(({ question, options, multiSelect }) =>
    typeof question === 'string'
      ? [
          {
            text: question,
            several: multiSelect === true,
            options: objects(options).map(({ label, description }) => ({
              label: String(label ?? ''),
              description: String(description ?? ''),
            })),
          },
        ]
      : [],
  )
}

export type Asked = Pick<UserInputRequestView, 'kind' | 'tool_name' | 'tool_input'>

export const textsWanted = (asked: Asked): number => (asked.kind === 'question' ? questionsOf(asked).length : 1)

/** @throws UsageError for a number that is none of the choices */
export const readAnswers = (asked: Asked, texts: readonly string[]): AnswerRequest => {
  if (asked.kind !== 'question') return readDecision(asked, texts[0] ?? '')
  const answers = questionsOf(asked).map((question, at) => [question.text, chosen(question, texts[at] ?? '')])
  return { answers: Object.fromEntries(answers) }
}

/** `yes`, `no`, `always` (of a permission), or words: they are a no that says why, or what to do instead. */
const readDecision = ({ kind }: Asked, text: string): AnswerRequest => {
  const word = text.trim().toLowerCase()
  if (['y', 'yes', 'allow', 'approve', 'ok'].includes(word)) return { decision: 'allow' }
  if (kind === 'permission' && word === 'always') return { decision: 'allow', remember: true }
  if (['n', 'no', 'deny', 'reject', ''].includes(word)) return { decision: 'deny' }
  return { decision: 'deny', message: text.trim().replace(/^no\s*[:,]\s*/i, '') }
}

/** A number, or the label of a choice, however it is written; else words of one's own. */
const chosen = ({ text: asked, options, several }: Question, text: string): string => {
  const one = (part: string): string => {
    const word = part.trim()
    if (/^\d+$/.test(word) && options.length > 0) {
      const option = options[Number(word) - 1]
      if (!option) throw new UsageError(`"${asked}" has the choices 1 to ${options.length}, and no ${word}`)
      return option.label
    }
    return options.find(({ label }) => label.toLowerCase() === word.toLowerCase())?.label ?? word
  }
  return several ? text.split(',').map(one).join(', ') : one(text)
}

const objects = (value: unknown): JsonObject[] =>
  (Array.isArray(value) ? value : []).filter((one): one is JsonObject => typeof one === 'object' && one !== null)
