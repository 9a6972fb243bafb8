/** Slash commands and sub-agents that a user has written, as they are shown and as files for the agent's runtime. */
import {
  type CreateSlashCommand,
  type CreateSubagent,
  type PatchSlashCommand,
  type PatchSubagent,
  type SlashCommandView,
  type SlashSuggestion,
  type SubAgent,
  type SubagentView,
  TuttiError,
} from '@tutti/contracts'
import type { Database } from '../database/database.ts'
import { type FrontMatter, readFrontMatter, textField, writeFrontMatter } from './front-matter.ts'
import { type OwnedRow, ownedRows } from './owned-rows.ts'

export interface SlashCommandRow extends OwnedRow {
  user_id: string
  name: string
  mode: 'raw' | 'structured'
  enabled: boolean
  description: string | null
  argument_hint: string | null
  allowed_tools: string | null
  content: string | null
  raw_markdown: string | null
}

export interface SubagentRow extends OwnedRow {
  user_id: string
  name: string
  mode: 'raw' | 'structured'
  enabled: boolean
  description: string | null
  prompt: string | null
  tools: string[] | null
  model: string | null
  raw_markdown: string | null
}

/** Their texts go along with every run. */
const most = 200

const commands = ownedRows<SlashCommandRow>({ table: 'workbench.slash_commands', noun: 'slash command', most })
export const subagentRows = ownedRows<SubagentRow>({ table: 'workbench.subagents', noun: 'sub-agent', most })

export const listSlashCommands = async (database: Database, userId: string): Promise<SlashCommandView[]> =>
  (await commands.list(database, userId)).map(view)

/** @throws TuttiError CAPABILITY_NOT_FOUND */
export const readSlashCommand = async (database: Database, userId: string, id: number): Promise<SlashCommandView> =>
  view(await commands.find(database, userId, id))

/** @throws TuttiError INVALID_BODY, CAPABILITY_EXISTS, CAPABILITY_LIMIT */
export const createSlashCommand = async (
  database: Database,
  userId: string,
  given: CreateSlashCommand,
): Promise<SlashCommandView> => {
  const fields = { ...given, mode: modeOf(given), enabled: given.enabled ?? true }
  checkCommand(fields)
  return view(await commands.insert(database, userId, fields))
}

/** @throws TuttiError INVALID_BODY, CAPABILITY_NOT_FOUND, CAPABILITY_EXISTS */
export const patchSlashCommand = (
  database: Database,
  userId: string,
  id: number,
  given: PatchSlashCommand,
): Promise<SlashCommandView> =>
  database.transaction(async (tx) => {
    const row = await commands.update(tx, userId, id, given)
    checkCommand(row)
    return view(row)
  })

/** @throws TuttiError CAPABILITY_NOT_FOUND */
export const deleteSlashCommand = async (database: Database, userId: string, id: number): Promise<void> => {
  await commands.remove(database, userId, id)
}

/** What a user may type behind a slash: their own commands, and the skills that are switched on. */
export const suggestions = async (database: Database, userId: string): Promise<SlashSuggestion[]> => {
  const own = (await commands.list(database, userId)).filter(({ enabled }) => enabled)
  const skills = await database.query<{ name: string; description: string | null }>(
    `select skills.name, skills.description from workbench.skill_installs installs
     join workbench.skills on skills.id = installs.item_id
     where installs.user_id = $1 and installs.enabled and (skills.user_id = $1 or skills.user_id is null)
     order by skills.name`,
    [userId],
  )
  const named = new Set(own.map(({ name }) => name))
  return [
    ...own.map((row) => {
      const front = row.mode === 'raw' ? frontMatterOf(row.raw_markdown ?? '', 'raw_markdown') : null
      return {
        name: row.name,
        description: row.description ?? (front && textField(front, 'description')) ?? null,
        argument_hint: row.argument_hint ?? (front && textField(front, 'argument-hint')) ?? null,
        source: 'custom' as const,
      }
    }),
    // A command hides the skill of the same name, as it does in the agent.
    ...skills
      .filter(({ name }) => !named.has(name))
      .map((skill) => ({ ...skill, argument_hint: null, source: 'skill' as const })),
  ]
}

/** The Markdown that the agent's runtime reads. */
export const commandFile = (row: SlashCommandRow): string =>
  row.mode === 'raw'
    ? (row.raw_markdown ?? '')
    : writeFrontMatter(
        { description: row.description, 'argument-hint': row.argument_hint, 'allowed-tools': row.allowed_tools },
        row.content ?? '',
      )

export const listSubagents = async (database: Database, userId: string): Promise<SubagentView[]> =>
  (await subagentRows.list(database, userId)).map(view)

/** @throws TuttiError CAPABILITY_NOT_FOUND */
export const readSubagent = async (database: Database, userId: string, id: number): Promise<SubagentView> =>
  view(await subagentRows.find(database, userId, id))

/** @throws TuttiError INVALID_BODY, CAPABILITY_EXISTS, CAPABILITY_LIMIT */
export const createSubagent = async (
  database: Database,
  userId: string,
  given: CreateSubagent,
): Promise<SubagentView> => {
  const fields = { ...given, mode: modeOf(given), enabled: given.enabled ?? true }
  subagentOf(fields)
  return view(await subagentRows.insert(database, userId, fields))
}

/** @throws TuttiError INVALID_BODY, CAPABILITY_NOT_FOUND, CAPABILITY_EXISTS */
export const patchSubagent = (
  database: Database,
  userId: string,
  id: number,
  given: PatchSubagent,
): Promise<SubagentView> =>
  database.transaction(async (tx) => {
    const row = await subagentRows.update(tx, userId, id, given)
    subagentOf(row)
    return view(row)
  })

/** @throws TuttiError CAPABILITY_NOT_FOUND */
export const deleteSubagent = async (database: Database, userId: string, id: number): Promise<void> => {
  await subagentRows.remove(database, userId, id)
}

interface SubagentFields {
  name: string
  mode: 'raw' | 'structured'
  description?: string | null | undefined
  prompt?: string | null | undefined
  tools?: string[] | null | undefined
  model?: string | null | undefined
  raw_markdown?: string | null | undefined
}

/** As the runtime is told of it. @throws TuttiError INVALID_BODY where it says too little */
export const subagentOf = (row: SubagentFields): SubAgent => {
  if (row.mode === 'structured') {
    const { description, prompt, tools, model } = row
    if (!description) throw fault('description', 'by it the agent knows when to hand work to the sub-agent')
    if (!prompt) throw fault('prompt', 'a sub-agent needs one')
    return { description, prompt, ...(tools ? { tools } : {}), ...(model ? { model } : {}) }
  }
  const front = frontMatterOf(required(row.raw_markdown, 'raw_markdown'), 'raw_markdown')
  if (front === null)
    throw fault('raw_markdown', 'it must begin with front matter: name and description between two lines of ---')
  if (front.fields.name !== row.name) throw fault('raw_markdown', `the name in its front matter must be ${row.name}`)
  const description = textField(front, 'description')
  if (description === undefined) throw fault('raw_markdown', 'its front matter must hold a description')
  if (front.body.trim() === '') throw fault('raw_markdown', 'it says nothing to the sub-agent')
  const tools = toolsIn(front)
  const model = textField(front, 'model')
  return { description, prompt: front.body, ...(tools ? { tools } : {}), ...(model ? { model } : {}) }
}

const toolsIn = ({ fields }: FrontMatter): string[] | undefined => {
  const { tools } = fields
  const list = typeof tools === 'string' ? tools.split(',') : Array.isArray(tools) ? tools.map(String) : undefined
  return list?.map((tool) => tool.trim()).filter((tool) => tool !== '')
}

/** Where nothing is said, by what was sent. */
const modeOf = ({
  mode,
  raw_markdown,
}: {
  mode?: 'raw' | 'structured' | undefined
  raw_markdown?: string | null | undefined
}) => mode ?? (raw_markdown ? 'raw' : 'structured')

const checkCommand = (row: {
  mode: 'raw' | 'structured'
  content?: string | null | undefined
  raw_markdown?: string | null | undefined
}): void => {
  if (row.mode === 'structured') required(row.content, 'content')
  else frontMatterOf(required(row.raw_markdown, 'raw_markdown'), 'raw_markdown')
}

const required = (text: string | null | undefined, field: string): string => {
  if (!text || text.trim() === '') throw fault(field, 'it is missing, or empty')
  return text
}

const frontMatterOf = (text: string, field: string): FrontMatter | null => {
  try {
    return readFrontMatter(text)
  } catch (error) {
    throw fault(field, error instanceof Error ? error.message : String(error))
  }
}

const fault = (field: string, message: string): TuttiError =>
  new TuttiError('INVALID_BODY', `body.${field}: ${message}`, { path: `body.${field}` })

const view = <Row extends OwnedRow>({ created_at, updated_at, ...row }: Row) => ({
  ...row,
  created_at: created_at.toISOString(),
  updated_at: updated_at.toISOString(),
})
