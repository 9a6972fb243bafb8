/** What of the skills, servers and plugins a user has at hand; `enabled`: switched on for every task that does not say otherwise. */
import { z } from 'zod'
import { instant } from './json.ts'

const enabled = z.boolean().default(true)
export const createSkillInstall = z.strictObject({ skill_id: z.int(), enabled })
export const createMcpInstall = z.strictObject({ server_id: z.int(), enabled })
export const createPluginInstall = z.strictObject({ plugin_id: z.int(), enabled })

export const patchInstall = z.strictObject({ enabled: z.boolean() })

/** PATCH /api/v1/…-installs/bulk: all of them, where none are named. */
export const patchInstalls = z.strictObject({
  enabled: z.boolean(),
  install_ids: z.array(z.int()).max(1000).optional(),
})
export const installsPatched = z.object({ updated_count: z.int() })

const install = z.object({
  id: z.int(),
  user_id: z.string(),
  enabled: z.boolean(),
  created_at: instant,
  updated_at: instant,
})
export const skillInstallView = install.extend({ skill_id: z.int() })
export const mcpInstallView = install.extend({ server_id: z.int() })
export const pluginInstallView = install.extend({ plugin_id: z.int() })
export type InstallView = z.infer<typeof install>
