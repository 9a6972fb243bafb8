/**
 * What a worker can do, read from what it told of itself in the words of either generation of the protocol. Garbage is ignored: a
 * worker that says nonsense of its devices has none, and still gets the tasks that ask for none.
 */
import type { Json, JsonObject } from '@tutti/contracts'
import type { WorkerRecord } from '../store/port.ts'
import { amountOf, listOf, objectOf, textOf, textsOf } from './words.ts'

export interface Device {
  type: string | null
  model: string | null
  id: string | null
  properties: JsonObject
}

export interface Artifact {
  name: string
  /** null: not told. */
  version: string | null
  properties: JsonObject
}

/** One skill as the worker offers it. */
export interface Offer {
  version: string | null
  type: string | null
  properties: JsonObject
  /** What it takes for a task, or for a second; null: it names no price. */
  price: number | null
}

/** What decides whether a worker fits a task. It changes seldom. */
export interface Capabilities {
  offers: Record<string, Offer>
  devices: Device[]
  properties: JsonObject
  artifacts: Artifact[]
  software: Record<string, string>
  labels: Record<string, string>
  extra: JsonObject
}

/** What decides which of several fitting workers is chosen. It may change with every heartbeat. */
export interface Condition {
  /** It finishes what it has, and takes no more. */
  leaving: boolean
  /** Tasks that it says it works on. */
  load: number
  /** Skills that are ready to run. */
  hotSkills: ReadonlySet<string>
  /** Artifacts that are loaded. */
  hotArtifacts: ReadonlySet<string>
  /** By skill: the artifacts that make it hot when all of them are loaded. */
  dependencies: Record<string, string[]>
}

export const capabilitiesOf = ({ skills, info }: Pick<WorkerRecord, 'skills' | 'info'>): Capabilities => {
  const resources = objectOf(info.resources)
  const told = objectOf(info.capabilities)
  return {
    offers: offersOf(skills, info, told),
    devices: devicesOf(info, resources),
    properties: { ...plainOf(resources), ...objectOf(resources.properties) },
    artifacts: [...listOf(info.installed_artifacts), ...listOf(info.installed_models)].flatMap(artifactOf),
    software: textValues(objectOf(info.installed_software)),
    labels: { ...textValues(objectOf(told.labels)), ...textValues(objectOf(info.labels)) },
    extra: objectOf(told.extra),
  }
}

export const conditionOf = ({ info }: Pick<WorkerRecord, 'info'>): Condition => ({
  leaving: info.status === 'draining',
  load: amountOf(info.load) ?? listOf(info.current_tasks).length,
  // A worker of the older generation puts skills and models into the same list.
  hotSkills: new Set([...textsOf(info.hot_skills), ...textsOf(info.hot_cache)]),
  hotArtifacts: new Set(textsOf(info.hot_cache)),
  dependencies: Object.fromEntries(
    Object.entries(objectOf(info.skill_dependencies)).map(([skill, names]) => [skill, textsOf(names)]),
  ),
})

/** The skills that words name, or undefined when they say nothing of skills. */
export const skillsIn = (words: JsonObject): string[] | undefined => {
  const named = Array.isArray(words.supported_skills) ? words.supported_skills : words.supported_tasks
  if (!Array.isArray(named)) return undefined
  return [...new Set(named.flatMap((each) => textOf(typeof each === 'string' ? each : objectOf(each).name) ?? []))]
}

const offersOf = (skills: string[], info: JsonObject, told: JsonObject): Record<string, Offer> => {
  const available = Array.isArray(info.available_skills) ? new Set(textsOf(info.available_skills)) : null
  const details = new Map(
    listOf(info.supported_skills).map((each): [string | null, JsonObject] => [
      textOf(objectOf(each).name),
      objectOf(each),
    ]),
  )
  const prices = { ...objectOf(info.cost_per_skill), ...objectOf(told.cost_per_skill) }
  const general = [told.cost_per_second, info.cost_per_second, told.cost, info.cost].map(amountOf)
  const anyPrice = general.find((price) => price !== null) ?? null
  const offer = (skill: string): Offer => {
    const { version, type, properties } = details.get(skill) ?? {}
    return {
      version: textOf(version),
      type: textOf(type),
      properties: objectOf(properties),
      price: amountOf(own(prices, skill)) ?? anyPrice,
    }
  }
  // Without a prototype, as skills are named by strangers: `constructor` is a name like any other.
  const offers: Record<string, Offer> = Object.create(null)
  for (const skill of [...new Set(skills)].sort()) if (available?.has(skill) ?? true) offers[skill] = offer(skill)
  return offers
}

const devicesOf = (info: JsonObject, resources: JsonObject): Device[] => {
  const gpus = [resources.gpu_info, info.gpu_info].flatMap((gpu) => (Array.isArray(gpu) ? gpu : [gpu ?? null]))
  return [
    ...listOf(resources.devices).flatMap((device) => deviceOf(device, null)),
    ...gpus.flatMap((gpu) => deviceOf(gpu, 'gpu')),
  ]
}

const deviceOf = (value: Json, type: string | null): Device[] => {
  const told = objectOf(value)
  if (Object.keys(told).length === 0) return []
  const { type: named, model, id, properties, metrics: _, ...rest } = told
  return [
    {
      type: textOf(named) ?? type,
      model: textOf(model),
      id: textOf(id),
      properties: { ...plainOf(rest), ...objectOf(properties) },
    },
  ]
}

const artifactOf = (value: Json): Artifact[] => {
  const told = objectOf(value)
  const name = textOf(typeof value === 'string' ? value : told.name)
  if (name === null) return []
  const version = textOf(told.version)
  return [
    {
      name,
      version: version === 'unknown' ? null : version,
      properties: { ...(textOf(told.type) === null ? {} : { type: told.type ?? null }), ...objectOf(told.properties) },
    },
  ]
}

/** What can be compared: numbers, texts, truth values, and lists of these. */
const plainOf = (told: JsonObject): JsonObject => {
  const isPlain = (value: Json): boolean => value !== null && typeof value !== 'object'
  return Object.fromEntries(
    Object.entries(told).filter(([, value]) => (Array.isArray(value) ? value.every(isPlain) : isPlain(value))),
  )
}

const textValues = (told: JsonObject): Record<string, string> =>
  Object.fromEntries(
    Object.entries(told).flatMap(([key, value]): [string, string][] => {
      const text = typeof value === 'boolean' ? String(value) : textOf(value)
      return text === null ? [] : [[key, text]]
    }),
  )

const own = (told: JsonObject, key: string): Json | undefined => (Object.hasOwn(told, key) ? told[key] : undefined)
