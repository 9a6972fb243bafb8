/** Skills and plugins: folders of files that an agent is given. */
import { z } from 'zod'
import { capabilityScope } from './env-vars.ts'
import { instant, jsonObject } from './json.ts'
import { capabilityName } from './mcp-servers.ts'

/** A file of a folder, with its text or with its bytes. */
export const bundleFileContent = z.union([
  z.strictObject({ path: z.string().min(1).max(1024), content: z.string(), executable: z.boolean().optional() }),
  z.strictObject({ path: z.string().min(1).max(1024), base64: z.base64(), executable: z.boolean().optional() }),
])
export type BundleFileContent = z.infer<typeof bundleFileContent>

const fields = {
  description: z.string().max(1000).nullish(),
  files: z.array(bundleFileContent).min(1).max(5000).optional(),
  /** The key of an upload of yours: a zip. */
  attachment: z.string().min(1).max(2048).optional(),
  scope: capabilityScope.optional(),
}

/** POST /api/v1/skills, /api/v1/plugins: with either `files` or `attachment`. Without a name it has the one that stands in it. */
export const createBundle = z.strictObject({ name: capabilityName.optional(), ...fields })
export type CreateBundle = z.output<typeof createBundle>

/** PATCH /api/v1/skills/{id}, /api/v1/plugins/{id}: what is absent stays; files replace all that were there. */
export const patchBundle = z.strictObject({ name: capabilityName.optional(), ...fields })
export type PatchBundle = z.output<typeof patchBundle>

export const bundleFile = z.object({
  path: z.string(),
  /** Bytes. */
  size: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  executable: z.boolean(),
})
export type BundleFile = z.infer<typeof bundleFile>

export const skillView = z.object({
  id: z.int(),
  name: z.string(),
  description: z.string().nullable(),
  scope: capabilityScope,
  owner_user_id: z.string().nullable(),
  source: z.object({ kind: z.enum(['manual', 'zip']) }),
  file_count: z.int(),
  /** Bytes, unpacked. */
  size: z.int(),
  created_at: instant,
  updated_at: instant,
})
export type SkillView = z.infer<typeof skillView>

export const pluginView = skillView.extend({ version: z.string().nullable(), manifest: jsonObject })
export type PluginView = z.infer<typeof pluginView>
