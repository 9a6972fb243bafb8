/** Who is told of a run: the receiver that its message names, or the operator's. What is told is the engine's outbox, as for every job. */
import { type TaskConfig, type TaskConfigPatch, TuttiError, type UserInputRequestView } from '@tutti/contracts'
import type { JobSpec, Store } from '@tutti/engine'

export interface WebhookOptions {
  /** Of every run whose message names none; null: nobody. */
  url: string | null
  /** Why nothing can be sent to an address; null: it can. */
  faultOf(url: string): string | null
  /** Where somebody without an account answers a request; null where links are not made. */
  linkTo(userId: string, request: UserInputRequestView): string | null
}

export interface WebhookDeps extends WebhookOptions {
  /** Null: nobody is told of what waits. */
  store: Pick<Store, 'now' | 'putRecords'> | null
}

/** @throws TuttiError INVALID_BODY for an address that no webhook may have */
export const checkWebhook = ({ webhooks }: { webhooks: WebhookOptions }, { webhook_url }: TaskConfigPatch): void => {
  const fault = webhook_url ? webhooks.faultOf(webhook_url) : null
  const path = 'body.config.webhook_url'
  if (fault !== null) throw new TuttiError('INVALID_BODY', `${path} ${fault}`, { path })
}

/** What the run's job is made with. */
export const webhookOf = (
  { url: ownersUrl }: WebhookOptions,
  { webhook_url: url = ownersUrl ?? '', webhook_events }: TaskConfig,
): Pick<JobSpec, 'webhook'> => (url === '' ? {} : { webhook: { url, events: webhook_events ?? null } })
