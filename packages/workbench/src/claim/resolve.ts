/** Reads what a run's configuration names, with its owner's eyes, and plans the run from it. In the transaction of the claim. */
import type { TaskConfig } from '@tutti/contracts'
import { bundleRows } from '../capabilities/bundles.ts'
import { secretsOf } from '../capabilities/env-vars.ts'
import { mcpServerRows } from '../capabilities/mcp-servers.ts'
import { namesIn } from '../capabilities/placeholders.ts'
import { type SlashCommandRow, subagentRows } from '../capabilities/texts.ts'
import type { Queryable } from '../database/database.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { filesOfProject } from '../projects/files.ts'
import type { RunRow, SessionRow } from '../session/rows.ts'
import { type Material, type Plan, planOf } from './plan.ts'

/** What has been deleted meanwhile, or taken away from the owner, is left out; a secret that is missing is a fault. */
export const resolve = async (
  { sealer, log }: Pick<WorkbenchDeps, 'sealer' | 'log'>,
  tx: Queryable,
  session: Pick<SessionRow, 'project_id'>,
  { user_id: userId, prompt, config }: Pick<RunRow, 'user_id' | 'prompt' | 'config'>,
): Promise<{ plan: Plan } | { fault: string }> => {
  const servers = await mcpServerRows.visible(tx, userId, config.mcp_server_ids ?? [])
  const names = [
    ...[...servers.map(({ server }) => server), ...Object.values(config.mcp_servers ?? {})].flatMap(namesIn),
    ...(config.repo_url === undefined || config.git_token_env_key === undefined ? [] : [config.git_token_env_key]),
  ]
  return planOf({
    ...{ userId, prompt, config, servers },
    projectFiles: session.project_id === null ? [] : await filesOfProject(tx, session.project_id),
    skills: await bundleRows.skill.visible(tx, userId, config.skill_ids ?? []),
    plugins: await bundleRows.plugin.visible(tx, userId, config.plugin_ids ?? []),
    subagents: (await subagentRows.visible(tx, userId, config.subagent_ids ?? [])).sort((a, b) => a.id - b.id),
    ...(await ofUser(tx, userId, session.project_id, config)),
    secret: await secretsOf(tx, { sealer, log }, userId, names),
  })
}

/** What belongs to every run of the user, or of the project: one query, whichever of it there is. */
const ofUser = async (
  tx: Queryable,
  userId: string,
  projectId: string | null,
  { preset_id }: TaskConfig,
): Promise<Pick<Material, 'claudeMd' | 'commands' | 'project' | 'template'>> => {
  const [found] = await tx.query<{
    claude_md: string | null
    commands: SlashCommandRow[] | null
    project: Material['project']
    template: string | null
  }>(
    `select
       (select content from workbench.claude_md where user_id = $1 and enabled) as claude_md,
       (select json_agg(command order by command.name) from workbench.slash_commands command
        where command.user_id = $1 and command.enabled) as commands,
       (select json_build_object('name', name, 'description', description) from workbench.projects
        where id = $2 and user_id = $1 and not is_deleted) as project,
       (select prompt_template from workbench.presets where id = $3 and user_id = $1) as template`,
    [userId, projectId, preset_id ?? null],
  )
  const { claude_md = null, commands = null, project = null, template = null } = found ?? {}
  return { claudeMd: claude_md ?? '', commands: commands ?? [], project, template }
}
