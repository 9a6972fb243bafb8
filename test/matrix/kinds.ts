/** The kinds of objects that addresses, bodies and queries name: a new one needs a line in `kindOfCollection` and in `missing`. */

/** Of which users have some, and the operator has some for everybody. */
export const shared = ['env var', 'mcp server', 'skill', 'plugin'] as const

/** One that nobody has, of each kind. Where it is digits alone, it is a number in JSON. */
export const missing = {
  user: 'nobody',
  session: '6f2a1c84-0000-4000-8000-000000000001',
  run: '6f2a1c84-0000-4000-8000-000000000002',
  message: '900000001',
  'assistant message': '900000002',
  project: '6f2a1c84-0000-4000-8000-000000000003',
  'project file': '900000003',
  upload: 'attachments/missing/a.txt',
  'tool execution': '6f2a1c84-0000-4000-8000-000000000004',
  'tool use': 'toolu_missing',
  request: '6f2a1c84-0000-4000-8000-000000000005',
  'queue item': '6f2a1c84-0000-4000-8000-000000000006',
  memory: '6f2a1c84-0000-4000-8000-000000000007',
  'scheduled task': '6f2a1c84-0000-4000-8000-000000000008',
  'env var': '900000004',
  'mcp server': '900000005',
  skill: '900000006',
  plugin: '900000007',
  'mcp install': '900000008',
  'skill install': '900000009',
  'plugin install': '900000010',
  'slash command': '900000011',
  subagent: '900000012',
  preset: '900000013',
  'operator’s env var': '900000014',
  'operator’s mcp server': '900000015',
  'operator’s skill': '900000016',
  'operator’s plugin': '900000017',
}

export type Kind = keyof typeof missing
export type Objects = Record<Kind, string>

export const kinds = Object.keys(missing) as Kind[]

const kindOfCollection: Record<string, Kind> = {
  ...{ sessions: 'session', session: 'session', runs: 'run', messages: 'message', projects: 'project' },
  ...{ 'tool-executions': 'tool execution', 'user-input-requests': 'request' },
  // The making of a memory has its id.
  ...{ memories: 'memory', jobs: 'memory', 'scheduled-tasks': 'scheduled task' },
  ...{ 'env-vars': 'env var', 'mcp-servers': 'mcp server', skills: 'skill', plugins: 'plugin' },
  ...{ 'mcp-installs': 'mcp install', 'skill-installs': 'skill install', 'plugin-installs': 'plugin install' },
  ...{ 'slash-commands': 'slash command', subagents: 'subagent', presets: 'preset' },
  'system-env-vars': 'operator’s env var',
}

const kindOfParam: Record<string, Kind> = {
  ...{ item: 'queue item', tool_use_id: 'tool use', other: 'run', file: 'project file' },
  // Of the executor manager.
  ...{ user: 'user', session: 'session' },
}

const collectionBefore = (path: string, end: string): string => path.split(end)[0]?.split('/').at(-1) ?? ''

/** What a parameter of a path names. */
export const kindOf = (path: string, param: string): Kind | undefined => {
  if (param !== 'id') return kindOfParam[param]
  const kind = kindOfCollection[collectionBefore(path, '/{id}')]
  const isOperators = path.includes('/internal/') && shared.some((each) => each === kind)
  return isOperators ? (`operator’s ${kind}` as Kind) : kind
}

const kindOfName: Record<string, Kind> = {
  ...{ session_id: 'session', scope_id: 'session', project_id: 'project', run_id: 'run' },
  ...{ message_id: 'message', user_message_id: 'message', assistant_message_id: 'assistant message' },
  ...{ file_source: 'upload', source: 'upload', attachment: 'upload' },
  ...{ server_id: 'mcp server', mcp_server_ids: 'mcp server', mcp_config: 'mcp server' },
  ...{ skill_id: 'skill', skill_ids: 'skill', skill_config: 'skill' },
  ...{ plugin_id: 'plugin', plugin_ids: 'plugin', plugin_config: 'plugin' },
  ...{ preset_id: 'preset', default_preset_id: 'preset', subagent_ids: 'subagent' },
}

/** What a field of a body or a query names. */
export const kindOfField = (path: string, field: string): Kind | undefined =>
  field === 'install_ids' ? kindOfCollection[collectionBefore(path, '/bulk')] : kindOfName[field]
