/** Variables that only the manager reads, beside those of `loadManager`. */
import { isAbsolute, join, resolve } from 'node:path'
import type { Variable, VariableTable } from '@tutti/config'
import { z } from 'zod'
import { defaultSettings } from './settings.ts'

const names = z
  .string()
  .transform((text) => text.split(',').flatMap((name) => name.trim() || []))
  .meta({ description: 'names of models, separated by commas; * stands for any text' })

const absoluteFolder = z
  .string()
  .refine(isAbsolute, { error: 'must be an absolute folder' })
  .meta({ description: 'absolute folder' })

const asRoot = process.getuid?.() === 0

export const ownVariables = {
  sandboxStateDir: {
    name: 'SANDBOX_STATE_DIR',
    // As root every sandbox runs as a host user of its own. Two managers that count those users in two folders would give
    // one number out twice, and each would end the other’s sandboxes as leftovers of its own.
    default: {
      text: '/var/lib/tutti/sandboxes as root, else WORKSPACE_ROOT/sandboxes',
      value: (env) => (asRoot ? '/var/lib/tutti/sandboxes' : join(resolve(env.WORKSPACE_ROOT ?? ''), 'sandboxes')),
    },
    description: 'Where live sandboxes are recorded. All managers of a host that run as root share one.',
    schema: absoluteFolder,
  } satisfies Variable<string>,
  allowedModels: {
    name: 'ALLOWED_MODELS',
    default: defaultSettings.allowedModels.join(','),
    description: 'Models that an agent may ask beside its run’s own: for sub-agents and the runtime’s small requests.',
    schema: names,
  } satisfies Variable<string[]>,
} satisfies VariableTable
