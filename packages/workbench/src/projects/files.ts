/** Files that every run of a project is given. */
import { type AddProjectFile, type ProjectFileView, TuttiError } from '@tutti/contracts'
import type { Database, Queryable } from '../database/database.ts'
import { findProject } from './projects.ts'

interface FileRow {
  id: number
  project_id: string
  key: string
  file_name: string
  size: number
  content_type: string
  sort_order: number
  created_at: Date
  updated_at: Date
}

const columns = `file.id, file.project_id, file.key, file.file_name, upload.size, upload.content_type, file.sort_order,
  file.created_at, file.updated_at`

const view = (row: FileRow): ProjectFileView => ({
  id: row.id,
  project_id: row.project_id,
  file_name: row.file_name,
  file_source: row.key,
  file_size: row.size,
  file_content_type: row.content_type,
  sort_order: row.sort_order,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
})

/** Every run of the project waits until all of them are there. */
const mostFiles = 200

/** In their order. @throws TuttiError PROJECT_NOT_FOUND */
export const listProjectFiles = async (
  database: Queryable,
  userId: string,
  projectId: string,
): Promise<ProjectFileView[]> => {
  await findProject(database, userId, projectId)
  return (await filesOfProject(database, projectId)).map(view)
}

/** For a run: what it is given beside the files of its message. */
export const filesOfProject = (database: Queryable, projectId: string): Promise<FileRow[]> =>
  database.query<FileRow>(
    `select ${columns} from workbench.project_files file join workbench.uploads upload using (key)
     where file.project_id = $1 order by file.sort_order, file.id`,
    [projectId],
  )

/**
 * Size and type are those of the upload, whatever the caller says of them. The same upload twice is one file.
 * @throws TuttiError PROJECT_NOT_FOUND; INVALID_BODY for what is not an upload of this user, and for a name that is taken
 */
export const addProjectFile = (
  database: Database,
  userId: string,
  projectId: string,
  { file_name, file_source }: AddProjectFile,
): Promise<ProjectFileView> =>
  database.transaction(async (tx) => {
    await findProject(tx, userId, projectId)
    // The project's row: of two files of one name that come at once the second is refused.
    await tx.query('select from workbench.projects where id = $1 for update', [projectId])
    const [upload] = await tx.query(
      `update workbench.uploads set idle_since = now() where key = $1 and user_id = $2 and size is not null returning key`,
      [file_source, userId],
    )
    if (!upload) throw refused('file_source', 'this is not one of your uploads, or no more')
    const present = await filesOfProject(tx, projectId)
    const same = present.find(({ key }) => key === file_source)
    if (same) return view(same)
    if (present.some((file) => file.file_name === file_name))
      throw refused('file_name', 'the project has a file of this name: remove it first, or choose another name')
    if (present.length >= mostFiles) throw refused('file_source', `a project has ${mostFiles} files at most`)
    await tx.query(
      `insert into workbench.project_files (project_id, key, file_name, sort_order)
       select $1, $2, $3, coalesce(max(sort_order), 0) + 1 from workbench.project_files where project_id = $1`,
      [projectId, file_source, file_name],
    )
    const added = (await filesOfProject(tx, projectId)).find(({ key }) => key === file_source)
    if (!added) throw new Error('PostgreSQL did not answer the file that it stored')
    return view(added)
  })

/** The upload itself stays as long as anything else names it, and a day longer. @throws TuttiError PROJECT_NOT_FOUND, FILE_NOT_FOUND */
export const removeProjectFile = (database: Database, userId: string, projectId: string, id: number): Promise<void> =>
  database.transaction(async (tx) => {
    await findProject(tx, userId, projectId)
    const [gone] = await tx.query(
      `with gone as (
         delete from workbench.project_files where id = $1 and project_id = $2 returning key
       )
       update workbench.uploads set idle_since = now() where key in (select key from gone) returning key`,
      [id, projectId],
    )
    if (!gone) throw new TuttiError('FILE_NOT_FOUND', 'The project has no such file')
  })

const refused = (field: string, message: string): TuttiError =>
  new TuttiError('INVALID_BODY', `body.${field}: ${message}`, { path: `body.${field}` })
