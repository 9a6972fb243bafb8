/** What an agent asks, as a page shows it, and what was sent from there, as an answer. Pure. */
import type { AnswerRequest, Json, JsonObject, UserInputRequestView } from '@tutti/contracts'
import type { DecisionPage, PageQuestion } from '@tutti/links'

/** Each field with all its values: several boxes of a question have one name. */
export type Form = Record<string, string[]>

const titles = {
  question: 'An agent asks you',
  plan: 'An agent asks for your approval of its plan',
  permission: 'An agent asks for your permission',
} as const

export const pageOf = (request: UserInputRequestView, to: string): DecisionPage => ({
  title: titles[request.kind],
  message: messageOf(request),
  questions: request.kind === 'question' ? questionsOf(request.tool_input) : [],
  decisions: request.kind === 'question' ? ['answer', 'refuse'] : ['allow', 'deny'],
  facts: [
    ['Session', request.session_id],
    ['For', to],
    ['Until', request.expires_at],
  ],
})

const messageOf = ({ kind, tool_name, tool_input }: UserInputRequestView): string => {
  if (kind === 'question') return ''
  if (kind === 'plan') return typeof tool_input.plan === 'string' ? tool_input.plan : ''
  return `${tool_name}\n${JSON.stringify(tool_input, null, 2)}`
}

const questionsOf = ({ questions }: JsonObject): PageQuestion[] =>
  list(questions).flatMap((question) => {
    const { question: text, multiSelect, options } = object(question)
    return typeof text === 'string' ? [{ text, multiple: multiSelect === true, options: optionsOf(options) }] : []
  })

const optionsOf = (options: Json | undefined): PageQuestion['options'] =>
  list(options).flatMap((option) => {
    const { label, description } = object(option)
    return typeof label === 'string' ? [{ label, description: typeof description === 'string' ? description : '' }] : []
  })

/** Undefined: the form holds no decision that can be taken. */
export const answerOf = ({ kind, tool_input }: UserInputRequestView, form: Form): AnswerRequest | undefined => {
  const [decision] = form.decision ?? []
  const comment = (form.comment?.[0] ?? '').trim()
  const message = comment === '' ? {} : { message: comment }
  if (decision === 'deny' || decision === 'refuse') return { decision: 'deny', ...message }
  if (kind !== 'question') return decision === 'allow' ? { decision, ...message } : undefined
  if (decision !== 'answer') return undefined
  const answers = questionsOf(tool_input).map(({ text }, at) => {
    const other = (form[`question-${at}-other`]?.[0] ?? '').trim()
    return [text, [...(form[`question-${at}`] ?? []), ...(other === '' ? [] : [other])].join(', ')]
  })
  return { answers: Object.fromEntries(answers), ...message }
}

const list = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : [])
const object = (value: Json): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
