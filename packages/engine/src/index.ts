export type { Action, ChildSpec, TaskSpec } from './blueprint/action.ts'
export {
  type Blueprint,
  type BlueprintBuilder,
  blueprint,
  type HandlerContext,
  type SkillContract,
  type StoreDefinition,
} from './blueprint/blueprint.ts'
export { type Check, type Checked, zodCheck } from './blueprint/check.ts'
export { type AgentOptions, agentTask, type Context, type TypedAction, task } from './blueprint/context.ts'
export { type BlueprintDiff, blueprintDiff, diffText } from './blueprint/diff.ts'
export { BlueprintFault } from './blueprint/fault.ts'
export type { TaskFiles } from './blueprint/files.ts'
export { graphOf, toDot } from './blueprint/graph.ts'
export { checkEvent, checkInput, checkOutput, checkParams, checkResult, faultAt } from './blueprint/input.ts'
export { jsonBlueprint, readJsonBlueprint } from './blueprint/json/compile.ts'
export { schemaCheck } from './blueprint/json/json-schema.ts'
export type { DocumentFault } from './blueprint/json/template.ts'
export {
  BlueprintError,
  type BlueprintOrigin,
  type BlueprintRegistry,
  createRegistry,
  type LoadedBlueprint,
  type RegistryChange,
} from './blueprint/registry.ts'
export type * from './engine.ts'
export type { Cause, JobChanges, Timer } from './job/cause.ts'
export { copyJson } from './job/copy-json.ts'
export { derivedId } from './job/derived-id.ts'
export {
  type BranchOutcome,
  type ClientFacts,
  type Ending,
  isTaskBranch,
  type Job,
  type JobEvent,
  type OpenTask,
  type Origin,
  type Signal,
  type Waiting,
} from './job/job.ts'
export { labelsOf } from './job/labels.ts'
export {
  type DeviceNeed,
  type Needs,
  parseQueue,
  type Queue,
  queueName,
  type Strategy,
  strategies,
  type Wanted,
} from './job/needs.ts'
export { type NewJob, newJob } from './job/new-job.ts'
export { sortedJson } from './job/sorted-json.ts'
export { type Knowledge, stateAt } from './job/state-at.ts'
export type { HeldTask, LeasedTask, Task, TaskRequest } from './job/task.ts'
export {
  type WebhookAttempt,
  type WebhookBody,
  type WebhookPayload,
  webhookKind,
  webhookRecord,
} from './job/webhook.ts'
export { createEngine, defaultSettings } from './run/create-engine.ts'
export { type Schedule, scheduleId } from './schedule/schedule.ts'
export { createScheduler, type KeptSchedule, type Scheduler, type SchedulerDeps } from './schedule/scheduler.ts'
export { nextAfter } from './schedule/timing.ts'
export type * from './store/port.ts'
export { findOpen } from './transition/result.ts'
export { capabilitiesOf } from './workers/capabilities.ts'
