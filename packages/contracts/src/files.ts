/** Files of jobs, in object storage. */
import { z } from 'zod'
import { instant } from './json.ts'

export const jobFile = z.object({
  /** Relative to the job; may hold slashes. */
  name: z.string(),
  /** Bytes. */
  size: z.number(),
  modified_at: instant,
})
export type JobFile = z.infer<typeof jobFile>

/** GET /api/v1/jobs/{id}/files, by name. */
export const filePage = z.object({ items: z.array(jobFile), next_cursor: z.string().nullable() })
export type FilePage = z.infer<typeof filePage>

/** GET /api/v1/jobs/{id}/files/upload: PUT the bytes to `url`; it needs no token. */
export const fileUpload = z.object({ url: z.string(), expires_in: z.number(), method: z.literal('PUT') })
export type FileUpload = z.infer<typeof fileUpload>

/** PUT /api/v1/jobs/{id}/files/content/{filename} */
export const fileUploaded = z.object({ status: z.literal('uploaded'), s3_uri: z.string() })
