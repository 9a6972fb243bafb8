import type { ExportedFile, FileView } from '@tutti/contracts'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'

/** Files with addresses from which they can be fetched for a while. */
export const fileViews = (
  { objects, config }: Pick<RouteDeps, 'objects' | 'config'>,
  files: readonly ExportedFile[],
): Promise<FileView[]> =>
  Promise.all(
    files.map(async ({ path, size, sha256, key }) => {
      const filename = path.split('/').at(-1) ?? path
      const url = await objects.presignGet(key, { expiresSeconds: config.presignSeconds, filename })
      return { path, size, sha256, key, url }
    }),
  )

export const archiveAnswer = z.object({ url: z.string(), filename: z.string() })

/** Where an archive can be fetched for a while. */
export const archiveView = async (
  { objects, config }: Pick<RouteDeps, 'objects' | 'config'>,
  { key, filename }: { key: string; filename: string },
): Promise<z.infer<typeof archiveAnswer>> => ({
  url: await objects.presignGet(key, { expiresSeconds: config.presignSeconds, filename }),
  filename,
})
