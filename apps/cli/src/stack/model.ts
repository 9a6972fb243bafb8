/** Which model agents talk to: the one whose key is set, or the scripted one. */
import { randomBytes } from 'node:crypto'
import type { Environment } from './process.ts'

export interface Model {
  /** As shown to people. */
  label: string
  env: Environment
  stop(): Promise<void>
}

/** The scripted model is a local server in this process; it says of itself that it is no AI. */
export const chooseModel = async (env: Environment): Promise<Model> => {
  if (env.ANTHROPIC_API_KEY || env.ANTHROPIC_AUTH_TOKEN)
    return { label: env.DEFAULT_MODEL ?? 'the default model', env: {}, stop: async () => {} }
  const { createScriptedModel } = await import('@tutti/agents/scripted')
  const key = randomBytes(24).toString('base64url')
  const server = await createScriptedModel({ key })
  return {
    label: 'scripted',
    env: { ANTHROPIC_AUTH_TOKEN: key, ANTHROPIC_BASE_URL: server.url, DEFAULT_MODEL: 'scripted' },
    stop: () => server.close(),
  }
}
