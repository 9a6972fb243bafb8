/** Where a page of jobs ended: the instant and id of its last one, in the order that all Stores list them. */
import { TuttiError } from '@tutti/contracts'
import type { Job } from '@tutti/engine'

export const cursorOf = (last: Job): string => `${last.createdAt}_${last.id}`

/** @throws TuttiError INVALID_QUERY when no page gave the cursor */
export const parseCursor = (cursor: string): { at: number; id: string } => {
  const [, at, id] = /^(\d{1,15})_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i.exec(cursor) ?? []
  if (at === undefined || id === undefined)
    throw new TuttiError('INVALID_QUERY', 'The cursor is not one that a page of jobs gave', { path: 'query.cursor' })
  return { at: Number(at), id }
}
