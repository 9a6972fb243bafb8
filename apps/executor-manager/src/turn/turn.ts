import { type ClaimedRun, type Turn, turn } from '@tutti/contracts'

/** What the executor is to do. `resume` only where the conversation lies in the workspace. */
export const turnOf = (claimed: ClaimedRun, defaultModel: string, resume: string | null): Turn => {
  const { run_id, session_id, attempt, prompt, permission_mode, config } = claimed
  const { instructions, tools, max_turns } = config
  return turn.parse({
    run_id,
    session_id,
    attempt,
    runtime: 'claude',
    prompt,
    model: config.model ?? defaultModel,
    permission_mode,
    ...(resume === null ? {} : { resume }),
    ...(instructions === undefined ? {} : { instructions }),
    ...(tools === undefined ? {} : { tools }),
    ...(max_turns === undefined ? {} : { max_turns }),
  })
}
