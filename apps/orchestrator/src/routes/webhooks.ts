/** Deliveries of a client's webhooks, and the secret that they are signed with. */
import { deliveryPage, listDeliveries, TuttiError, webhookDelivery, webhookSecrets } from '@tutti/contracts'
import { type StoredRecord, webhookKind } from '@tutti/engine'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { clientOf } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { deliveryView } from '../views/delivery-view.ts'
import { asNew, deliveryOf } from '../webhooks/delivery.ts'

const tags = ['webhooks']

export const webhookRoutes = ({ store, webhookSecrets: secrets, instant }: RouteDeps): FastifyPluginAsyncZod => {
  const own = async (id: string, client: string): Promise<StoredRecord> => {
    const [record] = await store.getRecords(webhookKind, [id])
    if (!record || record.owner !== client) throw new TuttiError('DELIVERY_NOT_FOUND', 'Delivery not found')
    return record
  }
  return async (app) => {
    app.get(
      '/webhooks/deliveries',
      {
        schema: {
          tags,
          operationId: 'listDeliveries',
          summary: 'List deliveries, newest first',
          description: 'They are kept for 30 days after they were delivered or given up.',
          querystring: listDeliveries,
          response: { 200: deliveryPage, ...failures('INVALID_QUERY') },
        },
      },
      async (request) => {
        const { limit, cursor, job_id } = request.query
        const records = await store.listRecords({
          kind: webhookKind,
          owner: clientOf(request).id,
          limit: limit + 1,
          newest: true,
          ...(job_id === undefined ? {} : { ref: job_id }),
          ...(cursor === undefined ? {} : { after: cursor }),
        })
        const page = records.slice(0, limit)
        return {
          items: page.map((record) => deliveryView(record, instant)),
          next_cursor: records.length > limit ? (page.at(-1)?.id ?? null) : null,
        }
      },
    )

    app.post(
      '/webhooks/deliveries/:id/redeliver',
      {
        schema: {
          tags,
          operationId: 'redeliver',
          summary: 'Deliver it again, under the same id',
          params: z.object({ id: z.string().max(300) }),
          response: { 200: webhookDelivery, ...failures('DELIVERY_NOT_FOUND') },
        },
      },
      async (request) => {
        for (;;) {
          const record = await own(request.params.id, clientOf(request).id)
          // One that is on its way already is left to it.
          if (deliveryOf(record).state === 'pending') return deliveryView(record, instant)
          const again = asNew(record, store.now())
          const [taken] = await store.putRecords([again])
          if (taken) return deliveryView(again, instant)
        }
      },
    )

    app.get(
      '/webhooks/secret',
      {
        schema: {
          tags,
          operationId: 'readWebhookSecret',
          summary: 'Read the secret that your webhooks are signed with',
          description: 'As standardwebhooks.com writes it down; any of its libraries verifies with it.',
          response: { 200: webhookSecrets },
        },
      },
      async (request) => ({ secrets: await secrets.current(clientOf(request).id) }),
    )

    app.post(
      '/webhooks/secret/rotate',
      {
        schema: {
          tags,
          operationId: 'rotateWebhookSecret',
          summary: 'Change the secret',
          description: 'For a day both sign, so that receivers can be changed one after the other.',
          response: { 200: webhookSecrets },
        },
      },
      async (request) => ({ secrets: await secrets.rotate(clientOf(request).id) }),
    )
  }
}
