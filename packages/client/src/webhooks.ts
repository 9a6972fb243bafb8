/** What was told to your receivers, and the secret that it was signed with. */
import {
  type DeliveryPage,
  deliveryPage,
  type WebhookDelivery,
  webhookDelivery,
  webhookSecrets,
} from '@tutti/contracts'
import { fieldOf, pages } from './answers.ts'
import type { Http } from './http.ts'

export interface DeliveryFilter {
  job_id?: string | undefined
  /** Deliveries per page. */
  limit?: number | undefined
}

export interface WebhooksApi {
  /** Newest first; pages are fetched as they are needed. */
  deliveries(filter?: DeliveryFilter): AsyncIterable<WebhookDelivery>
  /** One page of `deliveries`. */
  page(filter?: DeliveryFilter & { cursor?: string | undefined }): Promise<DeliveryPage>
  /** Sends it again under the same id. */
  redeliver(id: string): Promise<WebhookDelivery>
  /** The newest first; for a day after a change the former one signs along. */
  secrets(): Promise<string[]>
  /** Changes the secret. */
  rotateSecret(): Promise<string[]>
}

export const createWebhooks = (http: Http): WebhooksApi => {
  const page: WebhooksApi['page'] = (filter = {}) =>
    http.call({ method: 'GET', path: '/api/v1/webhooks/deliveries', query: { ...filter }, answer: deliveryPage })
  const secrets = fieldOf(webhookSecrets, 'secrets')
  return {
    page,
    deliveries: (filter = {}) => pages((cursor) => page({ ...filter, cursor })),
    redeliver: (id) =>
      http.call({
        method: 'POST',
        path: `/api/v1/webhooks/deliveries/${encodeURIComponent(id)}/redeliver`,
        answer: webhookDelivery,
      }),
    secrets: () => http.call({ method: 'GET', path: '/api/v1/webhooks/secret', answer: secrets }),
    rotateSecret: () => http.call({ method: 'POST', path: '/api/v1/webhooks/secret/rotate', answer: secrets }),
  }
}
