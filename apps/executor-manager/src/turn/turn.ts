import { type ClaimedRun, type Turn, turn } from '@tutti/contracts'

/** What the executor is to do. `resume` only where the conversation lies in the workspace. */
export const turnOf = (claimed: ClaimedRun, defaultModel: string, resume: string | null): Turn => {
  const { run_id, session_id, attempt, prompt, permission_mode, continues, answers, told, attended, options } = claimed
  return turn.parse({
    ...options,
    ...{ run_id, session_id, attempt, prompt, permission_mode, attended },
    model: options.model ?? defaultModel,
    ...(continues ? { continues, answers, told } : {}),
    ...(resume === null ? {} : { resume }),
  })
}
