/**
 * The one way out of a sandbox: HTTP over the Unix socket that the executor manager listens on, or over TCP to CALLBACK_BASE_URL.
 * Every request carries `Authorization: Bearer <relay token>`; the token is this sandbox's alone and ends with it.
 *
 *   GET  /v1/turns/next      200 Turn · 204 nothing yet (long poll of about 20 s) · 410 no turn will come: exit 0
 *   GET  /v1/events          with `Upgrade: tutti-events`: 101, and the connection stays for as long as both do. From then on lines of JSON, an
 *                            answer for each batch: EventBatch → EventReceipt · EventRefusal, and it ends: 409 the attempt was replaced: exit
 *   GET  /v1/turns/{run_id}/commands?after=n
 *                            200 TurnCommands · 204 nothing yet (long poll) · 410 the turn is over
 *   POST /v1/screenshots?run_id&tool_use_id
 *                            image/png → StoredScreenshot · 409 the attempt was replaced
 *   POST /v1/memory?run_id   MemoryCall → MemoryAnswer · 4xx {error: why not, for the agent}
 *   CONNECT host:port        to a host on the run's egress allow-list, else 403
 *   ANY  /model/*            forwarded to the model provider with the real key added outside; streamed both ways
 */
import { z } from 'zod'
import { numberedAgentEvent } from './event-numbers.ts'
import { turnCommand } from './turn.ts'
import { userFolder } from './workspaces.ts'

/** Events of one attempt in their order. Sending a batch again is harmless: what was received is skipped. */
export const eventBatch = z.object({
  run_id: z.uuid(),
  attempt: z.int().min(1),
  events: z.array(numberedAgentEvent).min(1).max(500),
})
export type EventBatch = z.infer<typeof eventBatch>

/** `received` is the highest number that is safely held outside the sandbox; the executor may forget up to it. */
export const eventReceipt = z.object({ received: z.int().nonnegative() })
export type EventReceipt = z.infer<typeof eventReceipt>

/** Nothing of a batch is taken. `status` says why, as that of an HTTP answer would. */
export const eventRefusal = z.object({ status: z.int().min(400).max(599), error: z.string() })
export type EventRefusal = z.infer<typeof eventRefusal>

/** In the order of their numbers. */
export const turnCommands = z.object({ commands: z.array(turnCommand).min(1) })
export type TurnCommands = z.infer<typeof turnCommands>

export const storedScreenshot = z.object({ key: z.string() })
export type StoredScreenshot = z.infer<typeof storedScreenshot>

/** Where a picture of the browser lies in object storage. */
export const screenshotKey = (of: {
  user_id: string
  session_id: string
  run_id: string
  tool_use_id: string
}): string => `replays/${userFolder(of.user_id)}/${of.session_id}/${of.run_id}/${of.tool_use_id}.png`

/** What the executor finds in its environment. Nothing else is passed in, and none of it is a provider's key. */
export const executorEnvironment = z.object({
  /** Path of the relay's socket, or its address: `http://HOST:PORT`. */
  TUTTI_RELAY: z.string().min(1),
  TUTTI_RELAY_TOKEN: z.string().min(1),
  /** The Claude Code executable, mounted read-only. */
  TUTTI_CLAUDE_EXECUTABLE: z.string().min(1),
  /** Started ahead: it loads everything before it asks for a turn. */
  TUTTI_AHEAD: z.literal('1').optional(),
  WORKSPACE_PATH: z.string().min(1).default('/workspace'),
})
export type ExecutorEnvironment = z.infer<typeof executorEnvironment>
