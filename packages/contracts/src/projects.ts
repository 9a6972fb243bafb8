/** Projects: what groups sessions, and what they begin with. */
import { z } from 'zod'
import { instant } from './json.ts'

/** Over HTTPS and without a password in it: that belongs into a secret, named by `git_token_env_key`. */
const repositoryUrl = z
  .string()
  .trim()
  .max(2048)
  .transform((text) => text.replace(/\/+$/, '').replace(/\.git$/, ''))
  .refine((text) => {
    const url = URL.parse(text)
    return url?.protocol === 'https:' && url.username === '' && url.password === '' && url.pathname.length > 1
  }, 'an https:// address of a repository, without user or password')

const fields = {
  description: z.string().max(10_000).nullish(),
  default_model: z.string().min(1).max(200).nullish(),
  /** Of its owner's; in force for every new session of the project that names none. */
  default_preset_id: z.int().nullish(),
  repo_url: repositoryUrl.nullish(),
  git_branch: z.string().min(1).max(255).nullish(),
  /** The name of the owner's secret that holds the token, never the token. */
  git_token_env_key: z.string().min(1).max(255).nullish(),
}
const projectName = z.string().trim().min(1).max(255)

/** POST /api/v1/projects */
export const createProject = z.object({ name: projectName, ...fields })
export type CreateProject = z.output<typeof createProject>

/** PATCH /api/v1/projects/{id}: what is absent stays; null clears. */
export const patchProject = z.object({ name: projectName.optional(), ...fields })
export type PatchProject = z.output<typeof patchProject>

/** POST /api/v1/projects/{id}/files: an upload that every run of the project is given from now on. */
export const addProjectFile = z.object({
  file_name: z
    .string()
    .trim()
    .min(1)
    .max(200)
    .regex(/^(?!\.+$)[^/\\\p{Cc}\p{Cf}]+$/u, 'a name without slashes, and not of dots alone'),
  /** The key that the upload answered. */
  file_source: z.string().min(1).max(1024),
})
export type AddProjectFile = z.output<typeof addProjectFile>

export const projectFileView = z.object({
  id: z.int(),
  project_id: z.uuid(),
  file_name: z.string(),
  file_source: z.string(),
  file_size: z.int(),
  file_content_type: z.string(),
  sort_order: z.int(),
  created_at: instant,
  updated_at: instant,
})
export type ProjectFileView = z.infer<typeof projectFileView>

export const projectView = z.object({
  project_id: z.uuid(),
  user_id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  default_model: z.string().nullable(),
  default_preset_id: z.int().nullable(),
  repo_url: z.string().nullable(),
  git_branch: z.string().nullable(),
  git_token_env_key: z.string().nullable(),
  created_at: instant,
  updated_at: instant,
})
export type ProjectView = z.infer<typeof projectView>
