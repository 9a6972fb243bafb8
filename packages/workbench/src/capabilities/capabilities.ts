/** Everything that a user, or the operator, does with capabilities. What a run gets of them is decided elsewhere: see `choose` and `resolve`. */
import type {
  BundleFile,
  ClaudeMdView,
  CreateBundle,
  CreateEnvVar,
  CreateMcpServer,
  CreateSlashCommand,
  CreateSubagent,
  CreateSystemEnvVar,
  EnvVarView,
  McpServerView,
  PatchBundle,
  PatchEnvVar,
  PatchMcpServer,
  PatchSlashCommand,
  PatchSubagent,
  PatchSystemEnvVar,
  PluginView,
  PresetView,
  PutClaudeMd,
  PutPreset,
  SkillView,
  SlashCommandView,
  SlashSuggestion,
  SubagentView,
} from '@tutti/contracts'
import type { WorkbenchDeps } from '../deps.ts'
import {
  type BundleKind,
  bundleRows,
  createBundle,
  deleteBundle,
  listBundleFiles,
  listBundles,
  patchBundle,
  readBundle,
} from './bundles.ts'
import { createEnvVar, deleteEnvVar, listEnvVars, patchEnvVar } from './env-vars.ts'
import {
  createInstall,
  deleteInstall,
  type Install,
  type InstallKind,
  listInstalls,
  patchInstall,
  patchInstalls,
} from './installs.ts'
import {
  createMcpServer,
  deleteMcpServer,
  listMcpServers,
  mcpServerRows,
  patchMcpServer,
  readMcpServer,
} from './mcp-servers.ts'
import type { Owner } from './owned-rows.ts'
import {
  createPreset,
  deleteClaudeMd,
  deletePreset,
  listPresets,
  putClaudeMd,
  putPreset,
  readClaudeMd,
  readPreset,
} from './presets.ts'
import {
  createSlashCommand,
  createSubagent,
  deleteSlashCommand,
  deleteSubagent,
  listSlashCommands,
  listSubagents,
  patchSlashCommand,
  patchSubagent,
  readSlashCommand,
  readSubagent,
  suggestions,
} from './texts.ts'

/** An owner of null is the operator: what is theirs is everybody's to use, and nobody else's to change. */
export interface Capabilities {
  envVars(owner: Owner): Promise<EnvVarView[]>
  createEnvVar(owner: Owner, given: CreateEnvVar | CreateSystemEnvVar): Promise<EnvVarView>
  patchEnvVar(owner: Owner, id: number, given: PatchEnvVar | PatchSystemEnvVar): Promise<EnvVarView>
  deleteEnvVar(owner: Owner, id: number): Promise<void>

  mcpServers(owner: Owner): Promise<McpServerView[]>
  mcpServer(owner: Owner, id: number): Promise<McpServerView>
  createMcpServer(owner: Owner, given: CreateMcpServer): Promise<McpServerView>
  patchMcpServer(owner: Owner, id: number, given: PatchMcpServer): Promise<McpServerView>
  deleteMcpServer(owner: Owner, id: number): Promise<void>

  bundles(kind: BundleKind, owner: Owner): Promise<(SkillView | PluginView)[]>
  bundle(kind: BundleKind, owner: Owner, id: number): Promise<SkillView | PluginView>
  bundleFiles(kind: BundleKind, owner: Owner, id: number): Promise<BundleFile[]>
  createBundle(kind: BundleKind, owner: Owner, given: CreateBundle): Promise<SkillView | PluginView>
  patchBundle(kind: BundleKind, owner: Owner, id: number, given: PatchBundle): Promise<SkillView | PluginView>
  deleteBundle(kind: BundleKind, owner: Owner, id: number): Promise<void>

  installs(kind: InstallKind, userId: string): Promise<Install[]>
  createInstall(kind: InstallKind, userId: string, given: { item_id: number; enabled: boolean }): Promise<Install>
  patchInstall(kind: InstallKind, userId: string, id: number, enabled: boolean): Promise<Install>
  /** @returns how many have changed */
  patchInstalls(
    kind: InstallKind,
    userId: string,
    given: { enabled: boolean; install_ids?: number[] | undefined },
  ): Promise<number>
  deleteInstall(kind: InstallKind, userId: string, id: number): Promise<void>

  slashCommands(userId: string): Promise<SlashCommandView[]>
  suggestions(userId: string): Promise<SlashSuggestion[]>
  slashCommand(userId: string, id: number): Promise<SlashCommandView>
  createSlashCommand(userId: string, given: CreateSlashCommand): Promise<SlashCommandView>
  patchSlashCommand(userId: string, id: number, given: PatchSlashCommand): Promise<SlashCommandView>
  deleteSlashCommand(userId: string, id: number): Promise<void>

  subagents(userId: string): Promise<SubagentView[]>
  subagent(userId: string, id: number): Promise<SubagentView>
  createSubagent(userId: string, given: CreateSubagent): Promise<SubagentView>
  patchSubagent(userId: string, id: number, given: PatchSubagent): Promise<SubagentView>
  deleteSubagent(userId: string, id: number): Promise<void>

  presets(userId: string): Promise<PresetView[]>
  preset(userId: string, id: number): Promise<PresetView>
  createPreset(userId: string, given: PutPreset): Promise<PresetView>
  putPreset(userId: string, id: number, given: PutPreset): Promise<PresetView>
  deletePreset(userId: string, id: number): Promise<void>

  claudeMd(userId: string): Promise<ClaudeMdView>
  putClaudeMd(userId: string, given: PutClaudeMd): Promise<ClaudeMdView>
  deleteClaudeMd(userId: string): Promise<void>
}

export const createCapabilities = (
  deps: Pick<WorkbenchDeps, 'database' | 'objects' | 'sealer' | 'log' | 'newId'>,
): Capabilities => {
  const { database } = deps
  const items = { skill: bundleRows.skill, plugin: bundleRows.plugin, mcp: mcpServerRows } as const
  return {
    envVars: (owner) => listEnvVars(deps, owner),
    createEnvVar: (owner, given) => createEnvVar(deps, owner, given),
    patchEnvVar: (owner, id, given) => patchEnvVar(deps, owner, id, given),
    deleteEnvVar: (owner, id) => deleteEnvVar(deps, owner, id),
    mcpServers: (owner) => listMcpServers(database, owner),
    mcpServer: (owner, id) => readMcpServer(database, owner, id),
    createMcpServer: (owner, given) => createMcpServer(database, owner, given),
    patchMcpServer: (owner, id, given) => patchMcpServer(database, owner, id, given),
    deleteMcpServer: (owner, id) => deleteMcpServer(database, owner, id),
    bundles: (kind, owner) => listBundles(database, kind, owner),
    bundle: (kind, owner, id) => readBundle(database, kind, owner, id),
    bundleFiles: (kind, owner, id) => listBundleFiles(database, kind, owner, id),
    createBundle: (kind, owner, given) => createBundle(deps, kind, owner, given),
    patchBundle: (kind, owner, id, given) => patchBundle(deps, kind, owner, id, given),
    deleteBundle: (kind, owner, id) => deleteBundle(deps, kind, owner, id),
    installs: (kind, userId) => listInstalls(database, kind, userId),
    createInstall: (kind, userId, given) =>
      createInstall(database, kind, userId, given, (id) => items[kind].find(database, userId, id, 'body')),
    patchInstall: (kind, userId, id, enabled) => patchInstall(database, kind, userId, id, enabled),
    patchInstalls: (kind, userId, given) => patchInstalls(database, kind, userId, given),
    deleteInstall: (kind, userId, id) => deleteInstall(database, kind, userId, id),
    slashCommands: (userId) => listSlashCommands(database, userId),
    suggestions: (userId) => suggestions(database, userId),
    slashCommand: (userId, id) => readSlashCommand(database, userId, id),
    createSlashCommand: (userId, given) => createSlashCommand(database, userId, given),
    patchSlashCommand: (userId, id, given) => patchSlashCommand(database, userId, id, given),
    deleteSlashCommand: (userId, id) => deleteSlashCommand(database, userId, id),
    subagents: (userId) => listSubagents(database, userId),
    subagent: (userId, id) => readSubagent(database, userId, id),
    createSubagent: (userId, given) => createSubagent(database, userId, given),
    patchSubagent: (userId, id, given) => patchSubagent(database, userId, id, given),
    deleteSubagent: (userId, id) => deleteSubagent(database, userId, id),
    presets: (userId) => listPresets(database, userId),
    preset: (userId, id) => readPreset(database, userId, id),
    createPreset: (userId, given) => createPreset(database, userId, given),
    putPreset: (userId, id, given) => putPreset(database, userId, id, given),
    deletePreset: (userId, id) => deletePreset(database, userId, id),
    claudeMd: (userId) => readClaudeMd(database, userId),
    putClaudeMd: (userId, given) => putClaudeMd(database, userId, given),
    deleteClaudeMd: (userId) => deleteClaudeMd(database, userId),
  }
}
