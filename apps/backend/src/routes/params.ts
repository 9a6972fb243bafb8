import { z } from 'zod'

export const idParams = z.object({ id: z.uuid() })

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  offset: z.coerce.number().int().min(0).max(1_000_000).default(0),
})

export const folderQuery = z.object({ path: z.string().min(1).max(1024) })
