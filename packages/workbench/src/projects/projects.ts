/** Projects: what groups sessions and gives them their defaults. */
import { type CreateProject, type PatchProject, type ProjectView, TuttiError } from '@tutti/contracts'
import { findPreset } from '../capabilities/presets.ts'
import type { Queryable } from '../database/database.ts'

export interface ProjectRow {
  id: string
  user_id: string
  name: string
  description: string | null
  default_model: string | null
  default_preset_id: number | null
  repo_url: string | null
  git_branch: string | null
  git_token_env_key: string | null
  created_at: Date
  updated_at: Date
}

const view = ({ id, created_at, updated_at, ...row }: ProjectRow): ProjectView => ({
  project_id: id,
  user_id: row.user_id,
  name: row.name,
  description: row.description,
  default_model: row.default_model,
  default_preset_id: row.default_preset_id,
  repo_url: row.repo_url,
  git_branch: row.git_branch,
  git_token_env_key: row.git_token_env_key,
  created_at: created_at.toISOString(),
  updated_at: updated_at.toISOString(),
})

/** @throws TuttiError PROJECT_NOT_FOUND, also for a stranger's; with `path` where a request's body named it */
export const findProject = async (
  database: Queryable,
  userId: string,
  id: string,
  path?: string,
): Promise<ProjectRow> => {
  const [project] = await database.query<ProjectRow>(
    'select * from workbench.projects where id = $1 and user_id = $2 and not is_deleted',
    [id, userId],
  )
  if (!project) throw new TuttiError('PROJECT_NOT_FOUND', 'Project not found', path === undefined ? {} : { path })
  return project
}

export const readProject = async (database: Queryable, userId: string, id: string): Promise<ProjectView> =>
  view(await findProject(database, userId, id))

/** Newest first. */
export const listProjects = async (
  database: Queryable,
  userId: string,
  { limit, offset }: { limit: number; offset: number },
): Promise<ProjectView[]> => {
  const rows = await database.query<ProjectRow>(
    `select * from workbench.projects where user_id = $1 and not is_deleted
     order by created_at desc, id desc limit $2 offset $3`,
    [userId, limit, offset],
  )
  return rows.map(view)
}

export const createProject = async (
  database: Queryable,
  userId: string,
  id: string,
  given: CreateProject,
): Promise<ProjectView> => {
  await checkPreset(database, userId, given)
  const [row] = await database.query<ProjectRow>(
    `insert into workbench.projects
       (id, user_id, name, description, default_model, repo_url, git_branch, git_token_env_key, default_preset_id)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning *`,
    [
      id,
      userId,
      given.name,
      given.description ?? null,
      given.default_model ?? null,
      given.repo_url ?? null,
      given.git_branch ?? null,
      given.git_token_env_key ?? null,
      given.default_preset_id ?? null,
    ],
  )
  if (!row) throw new Error('PostgreSQL did not answer the project that it stored')
  return view(row)
}

/** Without a repository there is neither branch nor token of one. */
export const patchProject = async (
  database: Queryable,
  userId: string,
  id: string,
  given: PatchProject,
): Promise<ProjectView> => {
  await checkPreset(database, userId, given)
  const sent = given.repo_url === null ? { ...given, git_branch: null, git_token_env_key: null } : given
  const fields = Object.entries(sent).filter(([, value]) => value !== undefined)
  const sets = fields.map(([column], at) => `${column} = $${at + 3}`)
  const [row] = await database.query<ProjectRow>(
    `update workbench.projects set ${[...sets, 'updated_at = now()'].join(', ')}
     where id = $1 and user_id = $2 and not is_deleted returning *`,
    [id, userId, ...fields.map(([, value]) => value)],
  )
  if (!row) throw new TuttiError('PROJECT_NOT_FOUND', 'Project not found')
  return view(row)
}

/** @throws TuttiError CAPABILITY_NOT_FOUND for one that is not the user's */
const checkPreset = async (
  database: Queryable,
  userId: string,
  { default_preset_id: id }: Pick<PatchProject, 'default_preset_id'>,
): Promise<void> => {
  if (id != null) await findPreset(database, userId, id, 'body.default_preset_id')
}

/**
 * Its sessions and scheduled tasks stay, without a project; its files go, unless something else names them; what was remembered for it
 * alone is forgotten.
 */
export const deleteProject = async (database: Queryable, userId: string, id: string): Promise<void> => {
  const [row] = await database.query(
    `with gone as (
       update workbench.projects set is_deleted = true, updated_at = now()
       where id = $1 and user_id = $2 and not is_deleted returning id
     ), dropped as (
       delete from workbench.project_files where project_id in (select id from gone) returning key
     ), idle as (
       update workbench.uploads set idle_since = now() where key in (select key from dropped)
     ), freed as (
       update workbench.sessions set project_id = null where project_id in (select id from gone)
     ), forgotten as (
       delete from workbench.memories where project_id in (select id from gone)
     ), freed_tasks as (
       update workbench.scheduled_tasks set project_id = null where project_id in (select id from gone)
     )
     select id from gone`,
    [id, userId],
  )
  if (!row) throw new TuttiError('PROJECT_NOT_FOUND', 'Project not found')
}
