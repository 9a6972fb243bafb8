/** What a manager puts into the workspace for a run, and what its agent is told, from what the run was configured with. Pure. */
import {
  type InputFile,
  isLoopbackName,
  mcpServer,
  type NeededHost,
  type PlannedRepository,
  placeholder,
  type StagingPlan,
  type TaskConfig,
  type TurnOptions,
  userFolder,
} from '@tutti/contracts'
import type { BundleRow } from '../capabilities/bundles.ts'
import type { McpServerRow } from '../capabilities/mcp-servers.ts'
import { filled } from '../capabilities/placeholders.ts'
import { commandFile, type SlashCommandRow, type SubagentRow, subagentOf } from '../capabilities/texts.ts'

/** Where the uploads of a user lie. Whatever else a task names is not that user's, or not a file to be handed out. */
export const uploadsOf = (userId: string): string => `attachments/${userFolder(userId)}/`

/** What a run's configuration names, as it is now. */
export interface Material {
  userId: string
  prompt: string
  config: TaskConfig
  project: { name: string; description: string | null } | null
  projectFiles: readonly ProjectFile[]
  /** Of its preset. */
  template: string | null
  servers: readonly Pick<McpServerRow, 'name' | 'user_id' | 'server'>[]
  skills: readonly Bundle[]
  plugins: readonly Bundle[]
  commands: readonly SlashCommandRow[]
  subagents: readonly SubagentRow[]
  /** Empty where there is none, or it is switched off. */
  claudeMd: string
  secret: (name: string) => string | undefined
}

/** A file that the project gives to every run. */
export interface ProjectFile {
  key: string
  file_name: string
  size: number
  content_type: string
}

type Bundle = Pick<BundleRow, 'name' | 'user_id' | 'object_key' | 'sha256'>

export interface Plan {
  prompt: string
  options: TurnOptions
  staging: StagingPlan
  needed_hosts: NeededHost[]
}

/** A run that could only go wrong does not begin: `fault` says why, in the owner's words, and without any secret. */
export const planOf = (material: Material): { plan: Plan } | { fault: string } => {
  const { config } = material
  const servers = serversOf(material)
  if ('fault' in servers) return servers
  const repository = repositoryOf(material)
  if (repository !== null && 'fault' in repository) return repository
  const inputs = inputsOf(withProjectFiles(material))
  return {
    plan: {
      prompt: promptOf(inputs.told, material.prompt),
      options: optionsOf(material, servers.mcp_servers, inputs.told),
      staging: {
        files: [...(config.workspace?.files ?? []), ...inputs.files(material.userId), ...textFiles(material)],
        folders: [...bundleFolders(material.skills, skillsFolder), ...bundleFolders(material.plugins, pluginsFolder)],
        managed: [skillsFolder, pluginsFolder, commandsFolder, agentsFolder],
        repositories: [...(repository === null ? [] : [repository]), ...inputs.repositories],
      },
      needed_hosts: servers.needed_hosts,
    },
  }
}

/** The configuration folder of the agent's runtime: what lies there is what it calls the user's own. */
const home = '.tutti/claude'
const skillsFolder = `${home}/skills`
/** Not the folder itself: the runtime keeps its own things there. */
const pluginsFolder = `${home}/plugins/given`
const commandsFolder = `${home}/commands`
const agentsFolder = `${home}/agents`

type Servers = { mcp_servers: NonNullable<TurnOptions['mcp_servers']>; needed_hosts: NeededHost[] }

const serversOf = ({ servers, config, secret }: Material): Servers | { fault: string } => {
  const mcp_servers: Servers['mcp_servers'] = {}
  const needed_hosts: NeededHost[] = []
  const inline = Object.entries(config.mcp_servers ?? {}).map(([name, server]) => ({ name, server, user_id: '' }))
  for (const { name, server: template, user_id } of ownFirst([...inline, ...servers])) {
    const { server, unset } = filled(template, secret)
    const [first] = unset
    const called = `The MCP server ${JSON.stringify(name)}`
    if (first !== undefined)
      return {
        fault: `SECRET_MISSING: ${called} needs the secret ${first.name} in ${first.where}, and none of this name is set`,
      }
    const read = mcpServer.safeParse(server)
    const url = server.type === 'http' ? URL.parse(server.url) : null
    const isLocal = url?.protocol === 'http:' && isLoopbackName(url.hostname)
    if (!read.success || (server.type === 'http' && url?.protocol !== 'https:' && !isLocal))
      return { fault: `INVALID_MCP_SERVER: ${called} has no usable address once its placeholders are filled` }
    mcp_servers[name] = read.data
    if (url === null || isLoopbackName(url.hostname)) continue
    // The host as it was written down: what a user's own secret makes of it, the operator has not seen.
    const written = template.type === 'http' ? URL.parse(template.url.replaceAll(placeholder, 'x'))?.host : undefined
    needed_hosts.push({ host: url.host, server: name, granted: user_id === null && written === url.host })
  }
  return { mcp_servers, needed_hosts }
}

/** Of those with the same name: the message's before the user's, and the user's before the operator's. */
const ownFirst = <T extends { name: string; user_id: string | null }>(all: readonly T[]): T[] => {
  const named = new Map<string, T>()
  for (const each of [
    ...all.filter(({ user_id }) => user_id !== null),
    ...all.filter(({ user_id }) => user_id === null),
  ])
    if (!named.has(each.name)) named.set(each.name, each)
  return [...named.values()]
}

const bundleFolders = (bundles: readonly Bundle[], folder: string): StagingPlan['folders'] =>
  ownFirst(bundles).map(({ name, object_key, sha256 }) => ({
    ...{ path: `${folder}/${name}`, key: object_key, kind: 'zip' as const, sha256 },
  }))

const textFiles = ({ commands, subagents, config, claudeMd }: Material): StagingPlan['files'] => {
  const inline = new Set((config.subagent_configs ?? []).map(({ name }) => name))
  return [
    // Also an empty one: else that of an earlier run would stay.
    { path: `${home}/CLAUDE.md`, content: claudeMd },
    ...commands.map((row) => ({ path: `${commandsFolder}/${row.name}.md`, content: commandFile(row) })),
    // As they were written: their front matter may hold what only the runtime knows.
    ...subagents
      .filter(({ mode, name }) => mode === 'raw' && !inline.has(name))
      .map(({ name, raw_markdown }) => ({ path: `${agentsFolder}/${name}.md`, content: raw_markdown ?? '' })),
  ]
}

const optionsOf = (
  { config, prompt, project, template, subagents, plugins }: Material,
  mcp_servers: Servers['mcp_servers'],
  inputs: readonly string[],
): TurnOptions => {
  const { model, runtime = 'claude', command, tools, max_turns, repo_url, permission_rules, output_schema } = config
  const told = [
    project?.description ? `About the project ${JSON.stringify(project.name)}:\n\n${project.description}` : null,
    template,
    config.instructions,
    config.memory_enabled === true ? memoryTold : null,
    // A command is read as it stands, so what belongs to it is told here.
    inputs.length > 0 && isCommand(prompt) ? filesTold(inputs) : null,
  ].filter((text) => text !== null && text !== undefined && text.trim() !== '')
  const agents = Object.fromEntries([
    ...subagents.filter(({ mode }) => mode === 'structured').map((row) => [row.name, subagentOf(row)]),
    ...(config.subagent_configs ?? []).map(({ name, ...agent }) => [name, agent]),
  ])
  return {
    runtime,
    ...(command === undefined ? {} : { command }),
    ...(repo_url === undefined ? {} : { cwd: repositoryFolder(repo_url) }),
    ...(model === undefined ? {} : { model }),
    ...(told.length === 0 ? {} : { instructions: told.join('\n\n') }),
    ...(tools === undefined ? {} : { tools }),
    ...(max_turns === undefined ? {} : { max_turns }),
    ...(permission_rules === undefined ? {} : { rules: permission_rules }),
    ...(Object.keys(mcp_servers).length === 0 ? {} : { mcp_servers }),
    ...(Object.keys(agents).length === 0 ? {} : { agents }),
    ...(plugins.length === 0 ? {} : { plugins: ownFirst(plugins).map(({ name }) => `${pluginsFolder}/${name}`) }),
    ...(config.browser_enabled === true ? { browser: true } : {}),
    ...(config.memory_enabled === true ? { memory: true } : {}),
    ...(output_schema === undefined ? {} : { output_schema }),
  }
}

/** Where a message brings a file of the same place, that one counts: it was sent with this turn in mind. */
const withProjectFiles = ({ config, projectFiles }: Material): TaskConfig => {
  const sent = config.input_files ?? []
  const taken = new Set(sent.map(({ path, name }) => path ?? inputPath(name)))
  const given = projectFiles.filter(({ file_name }) => !taken.has(inputPath(file_name)))
  return {
    ...config,
    input_files: [
      ...given.map(({ key, file_name: name, ...facts }) => ({ type: 'file' as const, name, source: key, ...facts })),
      ...sent,
    ],
  }
}

const inputPath = (name: string): string => `inputs/${name}`

/** Tools alone are easily overlooked. */
const memoryTold =
  'You have a memory that lasts beyond this session. Before you begin, look with memory_search for what it holds on the task; keep with memory_add what will matter later, such as preferences, decisions and facts, one to a memory, and correct what has become wrong. Never keep passwords or keys in it.'

interface Inputs {
  files(userId: string): StagingPlan['files']
  repositories: PlannedRepository[]
  /** A line for the agent about each. */
  told: string[]
}

/** Under `inputs/`, unless the message says where. */
const inputsOf = ({ input_files = [], repo_url }: TaskConfig): Inputs => {
  const placed = input_files.map((input) => ({ input, path: input.path ?? inputPath(input.name) }))
  // As seen from where the agent works.
  const up = repo_url === undefined ? '' : '../'
  return {
    files: (userId) =>
      placed.flatMap(({ input: { type, source, size, executable }, path }) =>
        type === 'file' && source.startsWith(uploadsOf(userId))
          ? [{ path, key: source, size: size ?? null, sha256: null, ...(executable === true ? { executable } : {}) }]
          : [],
      ),
    repositories: placed.flatMap(({ input: { type, source }, path }) =>
      type === 'url' ? [{ ...sourceOf(source), path, token: null, shallow: true }] : [],
    ),
    told: placed.map(({ input, path }) => `- ${up}${path}${about(input)}`),
  }
}

const about = ({ type, source, size, content_type }: InputFile): string => {
  if (type === 'url') return ` (a clone of ${source})`
  const facts = [content_type, size == null ? null : `${size} bytes`].filter((fact) => fact != null)
  return facts.length === 0 ? '' : ` (${facts.join(', ')})`
}

const filesTold = (inputs: readonly string[]): string =>
  `The user has sent these files along; they lie in the workspace:\n${inputs.join('\n')}`

/** What is stored as the message stays what the user wrote. What begins with a slash is a command, which only works at the very beginning. */
const promptOf = (inputs: readonly string[], prompt: string): string =>
  inputs.length === 0 || isCommand(prompt) ? prompt : `${filesTold(inputs)}\n\n${prompt}`

const isCommand = (prompt: string): boolean => prompt.startsWith('/')

/** A branch may stand in the address, as it does in that of a hoster's page. */
const sourceOf = (source: string): { url: string; branch: string | null } => {
  const [, url, branch] = /^(https:\/\/[^?#]+?)(?:\/-)?\/tree\/([^?#]+?)\/?(?:[?#].*)?$/.exec(source) ?? []
  return url === undefined || branch === undefined ? { url: source, branch: null } : { url, branch: decodeURI(branch) }
}

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

const repositoryOf = ({ config, secret }: Material): PlannedRepository | { fault: string } | null => {
  const { repo_url: url, git_branch, git_token_env_key: key } = config
  if (url === undefined) return null
  const token = key === undefined ? null : secret(key)
  if (token === undefined)
    return {
      fault: `SECRET_MISSING: the repository needs the secret ${key} (git_token_env_key), and none of this name is set`,
    }
  return { url, branch: git_branch ?? null, path: repositoryFolder(url), token, shallow: false }
}
