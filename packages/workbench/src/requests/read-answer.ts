/** What a person sent, as the agent gets it. Pure. */
import { type AnswerRequest, type JsonObject, type RequestAnswer, TuttiError } from '@tutti/contracts'
import type { RequestRow } from './requests.ts'

type Asked = Pick<RequestRow, 'kind' | 'tool_use_id' | 'tool_name' | 'tool_input'>

/** What an approved plan is carried out under unless the person says otherwise: who wants the plan wants its edits. */
const approvedMode = 'acceptEdits'

/** A larger input may have been cut on its way here, and would be carried out cut. */
const wholeInput = 100_000

/** @throws TuttiError INVALID_BODY */
export const readAnswer = (asked: Asked, body: AnswerRequest): RequestAnswer => {
  const { tool_use_id, kind } = asked
  const decision = decisionOf(asked, body)
  const message = body.message === undefined ? {} : { message: body.message }
  if (decision === 'deny') return { tool_use_id, decision, ...message }
  if (kind === 'plan')
    return { tool_use_id, decision, ...message, permission_mode: body.permission_mode ?? approvedMode }
  if (kind === 'question') {
    const answers = checkedAnswers(asked, body.answers ?? {})
    return { tool_use_id, decision, ...message, input: { ...asked.tool_input, answers } }
  }
  // Exactly what the person has seen, and not what stands in the agent's files by then.
  const seen = JSON.stringify(asked.tool_input).length <= wholeInput ? { input: asked.tool_input } : {}
  return { tool_use_id, decision, ...message, ...seen, ...(body.input === undefined ? {} : { input: body.input }) }
}

const decisionOf = ({ kind }: Asked, { decision, answers }: AnswerRequest): 'allow' | 'deny' => {
  if (decision !== undefined) return decision
  if (kind === 'question' && answers !== undefined) return 'allow'
  const approved = answers?.approved
  if (kind !== 'question' && approved === 'true') return 'allow'
  if (kind !== 'question' && approved === 'false') return 'deny'
  const expected =
    kind === 'question' ? 'answers by the text of the question' : 'approved "true" or "false", or decision'
  throw new TuttiError('INVALID_BODY', `The answer needs ${expected}`, { path: 'body.answers' })
}

/** By the text of the question; several choices joined with ", ". */
const checkedAnswers = ({ tool_input }: Asked, answers: Record<string, string>): JsonObject => {
  const questions = questionsOf(tool_input)
  for (const text of Object.keys(answers))
    if (!questions.includes(text))
      throw new TuttiError('INVALID_BODY', `Nobody asked "${text}"`, { path: `body.answers.${text}` })
  const open = questions.find((text) => (answers[text] ?? '').trim() === '')
  if (open !== undefined)
    throw new TuttiError('INVALID_BODY', `"${open}" is not answered`, { path: `body.answers.${open}` })
  return answers
}

const questionsOf = ({ questions }: JsonObject): string[] =>
  (Array.isArray(questions) ? questions : []).flatMap((one) =>
    typeof one === 'object' && one !== null && !Array.isArray(one) && typeof one.question === 'string'
      ? [one.question]
      : [],
  )

/** As in permission rules; see `PermissionRules`. */
const longestRule = 500

/** The rule that allows exactly this again. @throws TuttiError INVALID_BODY where no rule can say it */
export const ruleFor = ({ kind, tool_name, tool_input }: Asked, input: JsonObject = tool_input): string => {
  if (kind !== 'permission')
    throw new TuttiError('INVALID_BODY', 'Only a permission can be remembered', { path: 'body.remember' })
  const on = [input.command, input.file_path, input.notebook_path].find((part) => typeof part === 'string')
  const escaped = typeof on === 'string' ? on.trim().replaceAll(/[\\*]/g, '\\$&') : undefined
  const rule = escaped === undefined ? tool_name : `${tool_name}(${escaped})`
  if (rule.length > longestRule)
    throw new TuttiError('INVALID_BODY', 'This is too long to be remembered', { path: 'body.remember' })
  return rule
}
