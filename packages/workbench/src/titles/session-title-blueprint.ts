/**
 * The built-in blueprint `session_title`: a session's title by a model, as a job. So it is tried again when the provider is
 * away, by whichever backend is alive, and no message ever waits for it.
 */
import { blueprint } from '@tutti/engine'
import { z } from 'zod'
import type { Database } from '../database/database.ts'
import type { WorkbenchLog } from '../deps.ts'
import { changeSession } from '../session/change-session.ts'
import { storable } from '../session/storable.ts'
import { firstTitle } from './first-title.ts'
import { type MakeTitle, TitleRefusedError } from './title-model.ts'

export const SESSION_TITLE = 'session_title'

export interface SessionTitleDeps {
  database: Database
  makeTitle: MakeTitle
  log: WorkbenchLog
}

export const sessionTitleBlueprint = ({ database, makeTitle, log }: SessionTitleDeps) =>
  blueprint({ name: SESSION_TITLE, version: 1, input: z.object({ session_id: z.uuid() }) })
    // Who makes the job waits for its first state, and shall not wait for a model.
    .state('soon', { start: true, to: ['ask'] }, ({ sleep }) => sleep(100, { to: 'ask' }))
    .state('ask', { to: ['done'] }, async ({ input, job, signal, goTo, fail }) => {
      const where = { sessionId: input.session_id, userId: job.client }
      const prompt = await untitledPrompt(database, where)
      if (!prompt) return goTo('done', { title: null })
      try {
        const title = storable(await makeTitle(prompt, signal))
        const taken = await changeSession(database, where, async (change) => {
          // Meanwhile a person may have given it another one, and knows better.
          if (change.session.title !== firstTitle(prompt)) return false
          change.patch({ title })
          change.log('session.patch', { title, config_snapshot: change.session.config_snapshot })
          return true
        })
        return goTo('done', { title: taken ? title : null })
      } catch (error) {
        if (!(error instanceof TitleRefusedError)) throw error
        log.warn({ session_id: input.session_id }, `${error.message}; the session keeps its first title`)
        return fail(error.message, 'TITLE_REFUSED')
      }
    })
    .end('done', ({ data }) => ({ title: data.title ?? null }))

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
