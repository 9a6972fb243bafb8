/** The files of a workspace as a tree: what a page shows beside the conversation. */
import { z } from 'zod'

export const fileNode = z.object({
  /** Its path: no two nodes of a tree have the same. */
  id: z.string(),
  name: z.string(),
  type: z.enum(['file', 'folder']),
  /** From the workspace, with a slash at the beginning: `/src/main.ts`. */
  path: z.string(),
  source: z.literal('workspace'),
  /** Of a folder: folders first, then by name. */
  get children() {
    return fileNode.array().optional()
  },
  /** Of a file: where it can be fetched for a while, without a token and always as a download. */
  url: z.string().optional(),
  mimeType: z.string().optional(),
  oss_status: z.literal('uploaded').optional(),
  oss_meta: z
    .object({
      ...{ key: z.string(), size: z.int(), sha256: z.string(), etag: z.string(), last_modified: z.string() },
      /** Whether it may be executed: to be set again on a copy, which an address alone does not bring along. */
      executable: z.boolean(),
    })
    .optional(),
})
export type FileNode = z.infer<typeof fileNode>

/** GET …/workspace/archive, …/workspace/folder-archive: `url` is null where there is nothing to pack. */
export const archiveView = z.object({ url: z.string().nullable(), filename: z.string() })
export type ArchiveView = z.infer<typeof archiveView>

/** GET …/workspace/file: where one file can be fetched for a while. */
export const fileAddress = z.object({ path: z.string(), url: z.string() })
export type FileAddress = z.infer<typeof fileAddress>

/** GET …/computer/browser/{tool_use_id} */
export const pictureView = z.object({ tool_use_id: z.string(), url: z.string() })
export type PictureView = z.infer<typeof pictureView>
