import { z } from 'zod'

export const idParams = z.object({ id: z.uuid() })

export const numberParams = z.object({ id: z.coerce.number().int().min(1).max(2_147_483_647) })

export const limit = z.coerce.number().int().min(1).max(1000)

export const pageQuery = z.object({
  limit: limit.default(100),
  offset: z.coerce.number().int().min(0).max(1_000_000).default(0),
})

export const folderQuery = z.object({ path: z.string().min(1).max(1024) })
export const toolsQuery = pageQuery.extend({ limit: z.coerce.number().int().min(1).max(2000).default(2000) })
