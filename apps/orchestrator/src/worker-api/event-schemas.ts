/**
 * What a worker declared of the events of its skills (`events_schema` of a skill: a JSON Schema for each type of event), applied to the
 * events it sends.
 */
import { type Json, type JsonObject, TuttiError } from '@tutti/contracts'
import { type Check, findOpen, schemaCheck, type WorkerRecord } from '@tutti/engine'
import type { RouteDeps } from '../deps.ts'

export interface WorkerEvent {
  jobId: string
  taskId: string
  type: string
  payload: JsonObject
}

/** Schemas that stay compiled: so many that a fleet of unlike workers finds its own. */
const keptSchemas = 1_000

/** @returns what rejects with INVALID_BODY where STRICT_EVENT_VALIDATION says so; else a warning is all that comes of a fault */
export const createEventCheck = (
  deps: Pick<RouteDeps, 'engine' | 'settings' | 'log'>,
): ((worker: string, event: WorkerEvent) => Promise<void>) => {
  const { engine, settings, log } = deps
  const compiled = new Map<string, Check | null>()
  const checkOf = (schema: JsonObject): Check | null => {
    const text = JSON.stringify(schema)
    const known = compiled.get(text)
    if (known !== undefined) return known
    if (compiled.size >= keptSchemas) compiled.clear()
    const made = schemaCheck(schema)
    // A schema that is none can't be kept by anybody.
    const check = 'faults' in made ? null : made
    compiled.set(text, check)
    return check
  }

  return async (id, { jobId, taskId, type, payload }) => {
    const worker = await engine.worker(id)
    if (!worker || !declaresAny(worker, type)) return
    const job = await engine.job(jobId, null).catch(() => undefined)
    const skill = job && findOpen(job.waiting, taskId)?.open.skill
    const schema = skill === undefined ? undefined : schemaOf(worker, skill, type)
    const checked = schema && checkOf(schema)?.check(payload)
    if (!checked || 'value' in checked) return
    const path = ['body', 'payload', ...checked.path].join('.')
    const message = `The event "${type}" does not fit the schema that the worker declared for "${skill}": ${checked.fault} at ${path}`
    log.warn({ worker: id, job_id: jobId, task_id: taskId, event: type }, message)
    if (settings.strictEvents) throw new TuttiError('INVALID_BODY', message, { path })
  }
}

const skillsOf = ({ info }: WorkerRecord): JsonObject[] =>
  Array.isArray(info.supported_skills) ? info.supported_skills.filter(isObject) : []

const declaresAny = (worker: WorkerRecord, type: string): boolean =>
  skillsOf(worker).some((skill) => isObject(skill.events_schema) && Object.hasOwn(skill.events_schema, type))

const schemaOf = (worker: WorkerRecord, name: string, type: string): JsonObject | undefined => {
  const schemas = skillsOf(worker).find((skill) => skill.name === name)?.events_schema
  const schema = isObject(schemas) && Object.hasOwn(schemas, type) ? schemas[type] : undefined
  return isObject(schema) ? schema : undefined
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
