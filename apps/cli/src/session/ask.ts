/** Who answers what an agent asks: texts that were given before, then the person at the terminal. */
import { createInterface } from 'node:readline/promises'
import type { AnswerRequest, UserInputRequestView } from '@tutti/contracts'
import { UsageError } from '../faults.ts'
import { harmless } from './printer.ts'
import { questionsOf, readAnswers, textsWanted } from './read-answer.ts'

export interface Answerer {
  /** Undefined: nobody here can answer. */
  answer(request: UserInputRequestView, signal: AbortSignal): Promise<AnswerRequest | undefined>
}

/** @param given texts in the order of what is asked, one for each question */
export const createAnswerer = (given: readonly string[], interactive: boolean): Answerer => {
  const left = [...given]
  return {
    answer: async (request, signal) => {
      const wanted = textsWanted(request)
      if (left.length >= wanted && left.length > 0) return readAnswers(request, left.splice(0, wanted))
      return interactive ? askPerson(request, signal) : undefined
    },
  }
}

/** What is asked, as lines for a person. */
export const describeRequest = (request: UserInputRequestView): string[] => {
  const { kind, tool_name, tool_input } = request
  const lines =
    kind === 'question'
      ? questionsOf(request).flatMap(({ text, options }) => [
          text,
          ...options.map(
            ({ label, description }, at) => `  ${at + 1}. ${label}${description === '' ? '' : ` (${description})`}`,
          ),
        ])
      : kind === 'plan'
        ? ['It has a plan:', ...String(tool_input.plan ?? '').split('\n')]
        : [`May it use ${tool_name}?`, `  ${JSON.stringify(tool_input).slice(0, 2000)}`]
  return lines.map(harmless)
}

const askPerson = async (request: UserInputRequestView, signal: AbortSignal): Promise<AnswerRequest> => {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  // Ctrl+C belongs to the command, wherever it is pressed.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  try {
    for (;;) {
      try {
        return readAnswers(request, await typed(request, (hint) => terminal.question(hint, { signal })))
      } catch (error) {
        if (!(error instanceof UsageError)) throw error
        process.stderr.write(`${error.message}\n`)
      }
    }
  } finally {
    terminal.close()
  }
}

const typed = async (request: UserInputRequestView, ask: (hint: string) => Promise<string>): Promise<string[]> => {
  const questions = questionsOf(request)
  if (request.kind !== 'question') {
    const words = request.kind === 'permission' ? 'yes, always, no, or why not' : 'yes, no, or what to change'
    return [await ask(`(${words}) > `)]
  }
  const texts: string[] = []
  for (const { text, options, several } of questions) {
    const hint = options.length === 0 ? '' : several ? ' (numbers with commas, or words)' : ' (a number, or words)'
    let said = ''
    while (said.trim() === '') said = await ask(`${questions.length > 1 ? harmless(text) : ''}${hint} > `)
    texts.push(said)
  }
  return texts
}
