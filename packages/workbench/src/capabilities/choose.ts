/**
 * Which servers, skills, plugins and sub-agents a message's run gets, and what its preset sets. Decided once, when the message is taken,
 * and kept by number in the session's configuration, so that its next message gets the same.
 */
import { type TaskConfig, type TaskConfigPatch, TuttiError } from '@tutti/contracts'
import { mergeConfig } from '../create/merge-config.ts'
import type { Queryable } from '../database/database.ts'
import { bundleRows } from './bundles.ts'
import { mcpServerRows } from './mcp-servers.ts'
import { findPreset, type PresetRow } from './presets.ts'
import { subagentRows } from './texts.ts'

export interface Choice {
  /** What is in force so far. */
  base: TaskConfig
  /** What the message says; null takes a key out. */
  sent: TaskConfigPatch
  /** In force where neither says anything: of a new session in a project. */
  presetId?: number | null
  /** Whether what the user has switched on comes by itself. A blueprint's agent gets only what it names. */
  installed: boolean
  /** Of `sent` in the request, for faults. */
  path: string
}

const kinds = [
  { ids: 'mcp_server_ids', toggles: 'mcp_config', install: 'mcp', rows: mcpServerRows },
  { ids: 'skill_ids', toggles: 'skill_config', install: 'skill', rows: bundleRows.skill },
  { ids: 'plugin_ids', toggles: 'plugin_config', install: 'plugin', rows: bundleRows.plugin },
] as const

/** @throws TuttiError CAPABILITY_NOT_FOUND with the path of what the user can't use */
export const choose = async (tx: Queryable, userId: string, choice: Choice): Promise<TaskConfig> => {
  const { base, sent, path } = choice
  const presetId = sent.preset_id === undefined ? (base.preset_id ?? choice.presetId ?? null) : sent.preset_id
  const isOther = presetId !== (base.preset_id ?? null)
  const isToggled = kinds.some(({ toggles }) => sent[toggles] !== undefined)
  // One that is in force may be gone meanwhile; one that is asked for must be there.
  const preset =
    presetId !== null && (isOther || isToggled)
      ? await findPreset(tx, userId, presetId, sent.preset_id == null ? undefined : `${path}.preset_id`).catch(
          (error: unknown) => {
            if (isOther) throw error
            return undefined
          },
        )
      : undefined
  const merged = mergeConfig(isOther && preset ? withPreset(base, preset) : base, sent)
  if (preset && sent.subagent_configs) {
    const own = new Set(sent.subagent_configs.map(({ name }) => name))
    merged.subagent_configs = [
      ...preset.subagent_configs.filter(({ name }) => !own.has(name)),
      ...sent.subagent_configs,
    ]
  }
  if (presetId !== null) merged.preset_id = presetId
  const { mcp_config: _, skill_config: __, plugin_config: ___, ...config } = merged
  const on = await switchedOn(tx, userId, choice, isOther)
  for (const { ids, toggles, install, rows } of kinds) {
    const before = sent[ids] ?? (sent[ids] === null || isOther || sent[toggles] !== undefined ? undefined : base[ids])
    const named = new Set(before ?? [...on(install), ...(preset?.[ids] ?? [])])
    if (before !== undefined && isOther) for (const id of preset?.[ids] ?? []) named.add(id)
    const asked = new Map<number, string>((sent[ids] ?? []).map((id, at) => [id, `${path}.${ids}.${at}`]))
    for (const [text, isOn] of Object.entries(sent[toggles] ?? {})) {
      const id = Number(text)
      if (isOn) named.add(id)
      else named.delete(id)
      if (isOn) asked.set(id, `${path}.${toggles}.${text}`)
    }
    const those = await usable(tx, userId, rows, named, asked, before)
    // Nothing at all is not a choice: what is switched on later comes to this session too.
    if (those.length > 0 || sent[ids] || sent[toggles] || base[ids] || preset) config[ids] = those
    else delete config[ids]
  }
  const asked = new Map<number, string>((sent.subagent_ids ?? []).map((id, at) => [id, `${path}.subagent_ids.${at}`]))
  const before = sent.subagent_ids ?? (sent.subagent_ids === null || isOther ? undefined : base.subagent_ids)
  const agents = await usable(tx, userId, subagentRows, new Set(before ?? on('subagent')), asked, before)
  if (agents.length > 0 || sent.subagent_ids || base.subagent_ids) config.subagent_ids = agents
  else delete config.subagent_ids
  return config
}

/** What the task says later beats it. */
const withPreset = (base: TaskConfig, preset: PresetRow): TaskConfig => ({
  ...base,
  ...(preset.model === null ? {} : { model: preset.model }),
  ...(preset.tools === null ? {} : { tools: preset.tools }),
  ...(preset.browser_enabled ? { browser_enabled: true } : {}),
  ...(preset.memory_enabled ? { memory_enabled: true } : {}),
  subagent_configs: preset.subagent_configs,
})

type Kind = 'mcp' | 'skill' | 'plugin' | 'subagent'

/** What the user has switched on, read only where something is not decided yet. */
const switchedOn = async (
  tx: Queryable,
  userId: string,
  { base, sent, installed }: Choice,
  isOther: boolean,
): Promise<(kind: Kind) => number[]> => {
  const isDecided =
    !isOther &&
    kinds.every(({ ids, toggles }) => sent[ids] !== null && sent[toggles] === undefined && (sent[ids] ?? base[ids])) &&
    sent.subagent_ids !== null &&
    (sent.subagent_ids ?? base.subagent_ids) !== undefined
  if (isDecided || !installed) return () => []
  const found = await tx.query<{ kind: Kind; id: number }>(
    `select 'mcp' as kind, item_id as id from workbench.mcp_installs where user_id = $1 and enabled
     union all select 'skill', item_id from workbench.skill_installs where user_id = $1 and enabled
     union all select 'plugin', item_id from workbench.plugin_installs where user_id = $1 and enabled
     union all select 'subagent', id from workbench.subagents where user_id = $1 and enabled`,
    [userId],
  )
  return (kind) => found.filter((each) => each.kind === kind).map(({ id }) => id)
}

interface Rows {
  visible(tx: Queryable, userId: string, ids: readonly number[]): Promise<{ id: number }[]>
}

/** What is not there any more is left out, unless the message asks for it. What was in force before needs no look. */
const usable = async (
  tx: Queryable,
  userId: string,
  rows: Rows,
  named: ReadonlySet<number>,
  asked: ReadonlyMap<number, string>,
  before: readonly number[] | undefined,
): Promise<number[]> => {
  const ids = [...named].sort((a, b) => a - b)
  if (asked.size === 0 && before !== undefined && ids.every((id) => before.includes(id))) return ids
  const there = new Set((await rows.visible(tx, userId, ids)).map(({ id }) => id))
  for (const [id, path] of asked)
    if (!there.has(id)) throw new TuttiError('CAPABILITY_NOT_FOUND', `${path}: there is none with this id`, { path })
  return ids.filter((id) => there.has(id))
}
