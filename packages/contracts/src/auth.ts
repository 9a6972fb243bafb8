/** Who is using the workbench, and how they log in. */
import { z } from 'zod'
import { instant } from './json.ts'

/** GET /api/v1/auth/config */
export const authConfig = z.object({
  mode: z.literal('single_user'),
  login_required: z.boolean(),
  single_user_effective: z.boolean(),
  setup_required: z.boolean(),
  configured_providers: z.array(z.string()),
  providers: z.array(z.object({ name: z.string(), enabled: z.boolean() })),
})
export type AuthConfig = z.infer<typeof authConfig>

/** GET /api/v1/auth/me */
export const currentUser = z.object({
  id: z.string(),
  email: z.string().nullable(),
  display_name: z.string(),
  avatar_url: z.string().nullable(),
  created_at: instant.nullable(),
})
export type CurrentUser = z.infer<typeof currentUser>

/** POST /api/v1/auth/logout */
export const loggedOut = z.object({ ok: z.literal(true) })

/** GET /api/v1/filesystem/support */
export const filesystemSupport = z.object({
  deployment_mode: z.enum(['local', 'cloud']),
  local_mount_available: z.boolean(),
})
export type FilesystemSupport = z.infer<typeof filesystemSupport>
