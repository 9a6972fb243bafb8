/** The names under which the document shows the contracts' messages. */
import * as contracts from '@tutti/contracts'
import { z } from 'zod'

export const schemaRegistry = z.registry<{ id: string }>()

const named = {
  // Recursive: without a name of its own it could not be written down at all.
  Json: contracts.json,
  Job: contracts.jobView,
  JobEvent: contracts.jobEvent,
  JobPage: contracts.jobPage,
  JobAccepted: contracts.jobAccepted,
  Blueprint: contracts.blueprintView,
  BlueprintGraph: contracts.blueprintGraph,
  Worker: contracts.workerView,
  Task: contracts.taskPayload,
  Error: contracts.errorBody,
}

for (const [id, schema] of Object.entries(named)) schemaRegistry.add(schema, { id })
