/**
 * The built-in blueprint `session_title`: a session's title by a model, as a job. So it is tried again when the provider is
 * away, by whichever backend is alive, and no message ever waits for it.
 */
import type { TokenUsage } from '@tutti/contracts'
import { blueprint } from '@tutti/engine'
import { z } from 'zod'
import type { BudgetSettings } from '../budgets/limits.ts'
import { ownCall } from '../budgets/own-call.ts'
import type { Database } from '../database/database.ts'
import type { WorkbenchLog } from '../deps.ts'
import { ProviderRefusedError } from '../openai/post.ts'
import { changeSession } from '../session/change-session.ts'
import { storable } from '../session/storable.ts'
import { firstTitle } from './first-title.ts'
import type { TitleModel } from './title-model.ts'

export const SESSION_TITLE = 'session_title'

export interface SessionTitleDeps {
  database: Database
  titles: TitleModel
  /** As the workbench's: a title is not made where a budget is used up. */
  budgets: BudgetSettings
  /** Null where the price is not known. */
  costOf: (usage: TokenUsage) => number | null
  log: WorkbenchLog
}

export const sessionTitleBlueprint = ({ database, titles, budgets, costOf, log }: SessionTitleDeps) =>
  blueprint({ name: SESSION_TITLE, version: 1, input: z.object({ session_id: z.uuid() }) })
    // Who makes the job waits for its first state, and shall not wait for a model.
    .state('soon', { start: true, to: ['ask'] }, ({ sleep }) => sleep(100, { to: 'ask' }))
    .state('ask', { to: ['done'] }, async ({ input, job, signal, goTo, fail }) => {
      const where = { sessionId: input.session_id, userId: job.client }
      const prompt = await untitledPrompt(database, where)
      if (!prompt) return goTo('done', { title: null })
      try {
        const made = await ownCall(
          { database, budgets },
          {
            ...{ purpose: 'title', model: titles.model, provider: 'openai', sessionId: input.session_id },
            ...{ userId: job.client, most: mostOf(titles, costOf, prompt) },
          },
          async () => {
            const { title, usage } = await titles.make(prompt, signal)
            return { value: title, usage, cost_usd: costOf(usage) }
          },
        )
        // A budget is used up, and the first line of the message serves as well.
        if (made === null) return goTo('done', { title: null })
        const title = storable(made)
        const taken = await changeSession(database, where, async (change) => {
          // Meanwhile a person may have given it another one, and knows better.
          if (change.session.title !== firstTitle(prompt)) return false
          change.patch({ title })
          change.log('session.patch', { title, config_snapshot: change.session.config_snapshot })
          return true
        })
        return goTo('done', { title: taken ? title : null })
      } catch (error) {
        if (!(error instanceof ProviderRefusedError)) throw error
        log.warn({ session_id: input.session_id }, `${error.message}; the session keeps its first title`)
        return fail(error.message, 'TITLE_REFUSED')
      }
    })
    .end('done', ({ data }) => ({ title: data.title ?? null }))

const mostOf = (titles: TitleModel, costOf: SessionTitleDeps['costOf'], prompt: string) => {
  const usage = titles.most(prompt)
  return { input_tokens: usage.input_tokens, output_tokens: usage.output_tokens, cost_usd: costOf(usage) }
}

/** The first message of a session that is still called after it. */
const untitledPrompt = async (
  database: Database,
  { sessionId, userId }: { sessionId: string; userId: string },
): Promise<string | null> => {
  const [first] = await database.query<{ title: string | null; prompt: string }>(
    `select s.title, r.prompt from workbench.sessions s join workbench.runs r on r.session_id = s.id
     where s.id = $1 and s.user_id = $2 order by r.user_message_id limit 1`,
    [sessionId, userId],
  )
  return first && first.prompt.trim() !== '' && first.title === firstTitle(first.prompt) ? first.prompt : null
}
