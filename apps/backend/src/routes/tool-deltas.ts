/** Tool executions of a session or a run: listed, or what has changed since a cursor. */
import { instant, type ToolExecutionView, TuttiError, toolExecutionView } from '@tutti/contracts'
import type { Workbench } from '@tutti/workbench'
import { z } from 'zod'

/** Named after the creation by tradition; the instant is that of the last change. */
export const toolDeltaQuery = z.object({
  after_created_at: z.iso.datetime({ offset: true }).optional(),
  after_id: z.uuid().optional(),
  limit: z.coerce.number().int().min(1).max(2000).default(200),
})

export const toolDeltaView = z.object({
  items: z.array(toolExecutionView),
  next_after_created_at: instant.nullable(),
  next_after_id: z.uuid().nullable(),
  has_more: z.boolean(),
})
type ToolDelta = z.infer<typeof toolDeltaView>

/** Before every id: without one, changes of the very instant are told again rather than missed. */
const firstId = '00000000-0000-0000-0000-000000000000'

/** @throws TuttiError INVALID_QUERY for an id without its instant */
export const toolDelta = async (
  read: (page: Parameters<Workbench['changedToolExecutions']>[2]) => Promise<ToolExecutionView[]>,
  { after_created_at: updatedAt, after_id: id, limit }: z.output<typeof toolDeltaQuery>,
): Promise<ToolDelta> => {
  if (id !== undefined && updatedAt === undefined)
    throw new TuttiError('INVALID_QUERY', 'query.after_id: it needs after_created_at', { path: 'query.after_id' })
  const after = updatedAt === undefined ? null : { updatedAt, id: id ?? firstId }
  const found = await read({ after, limit: limit + 1 })
  const items = found.slice(0, limit)
  const last = items.at(-1)
  return {
    items,
    next_after_created_at: last?.updated_at ?? updatedAt ?? null,
    next_after_id: last?.id ?? id ?? null,
    has_more: found.length > items.length,
  }
}
