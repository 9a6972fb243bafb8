/** All that the orchestrator reads from its environment, by subject. */
import { flag, folder } from '../variables/schemas.ts'
import type { ConfigOf, VariableTable } from '../variables/variable.ts'
import { accessVariables } from './orchestrator/access.ts'
import { archiveVariables } from './orchestrator/archive.ts'
import { serverVariables } from './orchestrator/server.ts'
import { engineVariables, logVariables, modeVariables, startVariables } from './shared.ts'
import { storageVariables } from './storage.ts'

export const orchestratorVariables = {
  ...modeVariables,
  ...startVariables,
  ...serverVariables,
  ...storageVariables,
  ...accessVariables,
  blueprintsDir: {
    name: 'BLUEPRINTS_DIR',
    default: '',
    description: 'Folder whose blueprints are loaded at start.',
    schema: folder,
  },
  ...engineVariables,
  strictEventValidation: {
    name: 'STRICT_EVENT_VALIDATION',
    default: 'true',
    description:
      'Whether an event that breaks the schema that its worker declared is refused; off, it is logged and taken.',
    schema: flag,
  },
  ...archiveVariables,
  ...logVariables,
} satisfies VariableTable

export type OrchestratorConfig = ConfigOf<typeof orchestratorVariables>
