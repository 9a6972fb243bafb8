/** What a message changes in the configuration of its session. */
import type { TaskConfig, TaskConfigPatch } from '@tutti/contracts'
import type { ProjectRow } from '../projects/projects.ts'

/** Merged by name; everything else is replaced as a whole: half of two JSON Schemas would be neither. */
const maps = new Set(['mcp_config', 'skill_config', 'plugin_config', 'mcp_servers', 'budget'])

/** Only what was sent changes; null takes a key out. Neither is altered. */
export const mergeConfig = (base: TaskConfig, sent: TaskConfigPatch): TaskConfig => {
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(sent)) {
    if (value === undefined) continue
    if (value === null) delete merged[key]
    else if (maps.has(key)) merged[key] = { ...(merged[key] as object | undefined), ...(value as object) }
    else merged[key] = value
  }
  return merged as TaskConfig
}

/** Files belong to the message they came with; all else stays in force for the next one. */
export const lasting = ({ workspace: _, input_files: __, ...settings }: TaskConfig): TaskConfig => settings

/** What the project says where neither session nor message do. A repository of its own brings neither branch nor token of another. */
export const withProject = (config: TaskConfig, sent: TaskConfigPatch, project: ProjectRow | undefined): TaskConfig => {
  if (!project) return config
  const { default_model, repo_url, git_branch, git_token_env_key } = project
  const sameRepository = repo_url !== null && (config.repo_url ?? repo_url) === repo_url && sent.repo_url !== null
  return {
    ...(default_model === null || sent.model === null ? {} : { model: default_model }),
    ...(sameRepository
      ? {
          repo_url,
          ...(git_branch === null ? {} : { git_branch }),
          ...(git_token_env_key === null ? {} : { git_token_env_key }),
        }
      : {}),
    ...config,
  }
}
