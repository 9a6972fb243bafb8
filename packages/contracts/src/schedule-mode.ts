/** When a run may be taken. A manager asks for the modes whose rule is on, or whose window is open, at the moment. */
import { z } from 'zod'

/** `immediate`, `scheduled`, `nightly`, or a name of the operator's own, for which a manager has a rule. */
export const scheduleMode = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,63}$/, 'must be 1 to 64 lower-case letters, digits, - and _, and begin with a letter')
export type ScheduleMode = z.infer<typeof scheduleMode>

/** The engine's skill under which agent runs are handed out. */
export const AGENT_SKILL = 'agent.run'

/**
 * Hand-outs of an agent run that may be lost because their managers fell silent, beside those that fail. Hosts die for reasons of their own,
 * and a run that was at work on a few of them should not fail for it; but one that itself exhausts each host that takes it must end some
 * day. With the pauses between them, of up to a minute, so many take more than ten minutes.
 */
export const AGENT_LOSSES = 20

/** The built-in blueprint of agent runs, as whoever starts one as a child has to name it: the servers that run handlers need not have it. */
export const AGENT_RUN = { blueprint: 'agent_run', version: 1, start: 'turn' } as const

/** Runs of another mode wait under a skill of their own: who does not ask for it never gets one, and no second queue is needed. */
export const agentSkillOf = (mode: ScheduleMode): string =>
  mode === 'immediate' ? AGENT_SKILL : `${AGENT_SKILL}.${mode}`
