/** What a manager puts into the workspace for a run, from the run's configuration. Pure. */
import { type StagingPlan, type TaskConfig, type TaskConfigPatch, userFolder } from '@tutti/contracts'

/** Where the uploads of a user lie. Whatever else a task names is not that user's, or not a file to be handed out. */
export const uploadsOf = (userId: string): string => `attachments/${userFolder(userId)}/`

/** The path within the task's configuration of a file that the user may not have, if there is one. */
export const strangeFile = (
  userId: string,
  config: Partial<Pick<TaskConfigPatch, 'input_files'>>,
): string | undefined => {
  const own = uploadsOf(userId)
  const at = (config.input_files ?? []).findIndex(({ type, source }) => type === 'file' && !source.startsWith(own))
  return at === -1 ? undefined : `input_files[${at}].source`
}

export const stagingPlan = (userId: string, config: TaskConfig): StagingPlan => ({
  files: [...(config.workspace?.files ?? []), ...inputFiles(userId, config)],
  folders: [],
  managed: [],
  repository: repository(config),
})

/** The folder that a repository is cloned into: the last part of its address. */
export const repositoryFolder = (url: string): string => {
  const last =
    url
      .replace(/[?#].*$/, '')
      .replace(/\/+$/, '')
      .split('/')
      .at(-1) ?? ''
  const name = last
    .replace(/\.git$/, '')
    .replaceAll(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 100)
  return name === '' || name.startsWith('.') ? 'repository' : name
}

/** Secrets are not resolved yet: a repository that needs a token can’t be fetched. */
const repository = ({ repo_url, git_branch }: TaskConfig): StagingPlan['repository'] =>
  repo_url === undefined
    ? null
    : { url: repo_url, branch: git_branch ?? null, path: repositoryFolder(repo_url), token: null }

/** Under `inputs/`, unless the message says where. */
const inputFiles = (userId: string, { input_files = [] }: TaskConfig): StagingPlan['files'] => {
  const own = uploadsOf(userId)
  return input_files.flatMap(({ type, source, name, path, size }) =>
    type === 'file' && source.startsWith(own)
      ? [{ path: path ?? `inputs/${name}`, key: source, size: size ?? null, sha256: null }]
      : [],
  )
}
