/** The scenario for any other prompt: look around once, say plainly what answers here and how to get a real model. */
import type { Conversation, Exchange } from '../conversation.ts'
import type { Scenario, Step } from '../step.ts'

const realModel = 'Set ANTHROPIC_API_KEY and start Tutti again to talk to a real model.'

const quote = (text: string, longest = 200): string => {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return `“${line.length > longest ? `${line.slice(0, longest)}…` : line}”`
}

const sight = ({ result }: Exchange): string => {
  if (result === undefined) return 'I could not look around: the command was interrupted.'
  if (result.is_error) return `I could not look around: ${quote(result.text)}.`
  // What the runtime says for a command that printed nothing.
  const names = result.text
    .replace(/^\(Bash completed with no output\)$/, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  if (names.length === 0) return 'The workspace is empty.'
  const shown = names.slice(0, 12).join(', ')
  const more = names.length > 12 ? ` and ${names.length - 12} more` : ''
  return `The workspace holds ${names.length} ${names.length === 1 ? 'entry' : 'entries'}: ${shown}${more}.`
}

const next = (conversation: Conversation): Step => {
  const looked = conversation.exchanges[0]
  if (looked === undefined && conversation.tools.has('Bash')) {
    return { calls: [{ tool: 'Bash', input: { command: 'ls', description: 'List the workspace' } }] }
  }
  const earlier = conversation.prompts.at(-2)
  const memory = earlier === undefined ? '' : ` Before this you wrote ${quote(earlier)}.`
  const seen = looked === undefined ? 'I was given no tool to look around with.' : sight(looked)
  const asked = conversation.prompt === '' ? '' : `You wrote ${quote(conversation.prompt)}.`
  return { say: [`${asked}${memory} ${seen} I am the scripted model, not an AI model. ${realModel}`.trim()] }
}

export const tour: Scenario = { name: 'tour', applies: () => true, next }
