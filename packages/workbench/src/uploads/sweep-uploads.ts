/** Removes uploads that nothing has named for a day: their sender has thought better of it, or has died in the middle. */
import type { WorkbenchDeps } from '../deps.ts'

/** Long enough to write the message that a file was uploaded for. */
const idleHours = 24

/** In one transaction, whose locks hold up who wants to use one of them after all. */
const batch = 20

/**
 * Objects first, rows after them, under the rows' locks: whoever names such an upload meanwhile waits, and is told that it is
 * gone; a sweep that dies in between is done again. Instances sweep side by side. @returns how many went
 */
export const sweepUploads = async ({
  database,
  objects,
}: Pick<WorkbenchDeps, 'database' | 'objects'>): Promise<number> => {
  if (objects === null) return 0
  let swept = 0
  for (let went = batch; went === batch; ) {
    went = await database.transaction(async (tx) => {
      const idle = await tx.query<{ key: string }>(
        `select key from workbench.uploads upload
         where not in_message and idle_since < now() - $1 * interval '1 hour'
           and not exists (select from workbench.project_files file where file.key = upload.key)
         order by idle_since limit $2 for update skip locked`,
        [idleHours, batch],
      )
      for (const { key } of idle) await objects.delete(key)
      await tx.query('delete from workbench.uploads where key = any ($1)', [idle.map(({ key }) => key)])
      return idle.length
    })
    swept += went
  }
  return swept
}
