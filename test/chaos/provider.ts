/** The provider of models outlives everything, and counts what it was really asked: nobody's ledger is believed here. */
import { createScriptedModel, parseRequest, reply } from '@tutti/agents/scripted'

export interface ProviderCall {
  at: number
  /** The turns that the conversation shows, oldest first. */
  tags: string[]
  tokens: number
}

export interface Provider {
  url: string
  key: string
  calls: ProviderCall[]
  close(): Promise<void>
}

/** Stands in every prompt: by it a request to the provider, a message and a file are known as a turn's. */
export const tagLine = (tag: string): string => `chaos-turn ${tag};`
const tagged = /chaos-turn (s\d+-t\d+[a-z]?);/g

export const startProvider = async (): Promise<Provider> => {
  const key = 'key-of-the-provider'
  const calls: ProviderCall[] = []
  const model = await createScriptedModel({
    key,
    asked: (body) => {
      const tags = [...JSON.stringify(body).matchAll(tagged)].map(([, tag]) => tag ?? '')
      calls.push({ at: Date.now(), tags, tokens: tokensOf(body) })
    },
  })
  return { url: model.url, key, calls, close: model.close }
}

const tokensOf = (body: unknown): number => {
  const request = parseRequest(body)
  if (typeof request === 'string') return 0
  const answer = reply(request)
  return answer.kind === 'message' ? answer.usage.input_tokens + answer.usage.output_tokens : 0
}
