/**
 * Small requests that an agent runtime sends beside the conversation: a title, a summary, a check that the key works.
 * They offer no tools, or ask for a summary in so many words, and get a short sensible answer.
 */
import type { Conversation } from '../conversation.ts'
import type { MessagesRequest } from '../messages.ts'
import type { Step } from '../step.ts'

const asksForSummary = /create a detailed summary of (the|our) conversation|summari[sz]e (this|the) conversation/i

/** Whether this request is beside the conversation rather than a turn of it. */
export const isSideRequest = (request: MessagesRequest, conversation: Conversation): boolean =>
  request.tools.length === 0 || asksForSummary.test(conversation.prompt)

const words = (text: string, count: number): string =>
  text
    .replaceAll(/<[^>]*>|```[\s\S]*?```/g, ' ')
    .split(/\s+/)
    .filter((word) => word !== '')
    .slice(0, count)
    .join(' ')

export const side = (request: MessagesRequest, conversation: Conversation): Step => {
  if (asksForSummary.test(conversation.prompt)) {
    const asked = conversation.prompts.slice(0, -1).map((prompt) => `- The user wrote: ${words(prompt, 40)}`)
    return { say: [`<summary>\n${asked.join('\n') || '- Nothing was said before.'}\n</summary>`] }
  }
  const title = words(conversation.prompt, 6) || 'Conversation'
  return { say: [request.wantsJson ? JSON.stringify({ title }) : title] }
}
