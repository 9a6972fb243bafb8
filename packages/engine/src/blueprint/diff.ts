/** What is different between two versions of a blueprint, and what that means for jobs that are under way. */
import type { Json, JsonObject } from '@tutti/contracts'
import type { Blueprint } from './blueprint.ts'
import { graphOf } from './graph.ts'

export interface BlueprintDiff {
  from: { name: string; version: number }
  to: { name: string; version: number }
  endpoint: { from: string | null; to: string | null } | null
  states: { added: string[]; removed: string[] }
  /** As `a -> b`, with the condition where there is one. */
  edges: { added: string[]; removed: string[] }
  /** States that are there in both and mean something else: another kind, another outcome, undone by another. */
  changed: { state: string; what: string }[]
  /** Inputs that the old version took and the new one may refuse, each in a sentence. */
  breaking: string[]
  /**
   * Whether running jobs can be migrated as they stand. One that is in, or leads to, a state that is gone needs a `state` named for it.
   */
  migration: { needsState: boolean; states: string[] }
}

export const blueprintDiff = (older: Blueprint, newer: Blueprint): BlueprintDiff => {
  const [from, to] = [graphOf(older), graphOf(newer)]
  const [oldStates, newStates] = [from, to].map((graph) => new Map(graph.states.map((state) => [state.name, state])))
  const states = differences([...(oldStates?.keys() ?? [])], [...(newStates?.keys() ?? [])])
  const changed = from.states.flatMap((before) => {
    const after = newStates?.get(before.name)
    if (!after) return []
    return (['kind', 'outcome', 'undo'] as const)
      .filter((key) => before[key] !== after[key])
      .map((key) => ({ state: before.name, what: `${key}: ${before[key] ?? 'none'} -> ${after[key] ?? 'none'}` }))
  })
  return {
    from: { name: older.name, version: older.version },
    to: { name: newer.name, version: newer.version },
    endpoint: older.endpoint === newer.endpoint ? null : { from: older.endpoint, to: newer.endpoint },
    states,
    edges: differences(from.edges.map(edgeText), to.edges.map(edgeText)),
    changed,
    breaking: [
      ...schemaBreaks(older.input?.jsonSchema ?? null, newer.input?.jsonSchema ?? null, 'input'),
      ...(older.input && newer.input && !(older.input.jsonSchema && newer.input.jsonSchema)
        ? ['input: one of the schemas can not be shown as JSON Schema, and was not compared']
        : []),
      ...(!older.input && newer.input ? ['input: was not checked before'] : []),
    ],
    // A job in a state that has become an end, or is only there to undo, would go on from the middle of nowhere.
    migration: {
      needsState: states.removed.length > 0 || changed.some(({ what }) => what.startsWith('kind')),
      states: [
        ...states.removed,
        ...changed
          .filter(({ what }) => what.startsWith('kind') && !/(start|state) -> (start|state)$/.test(what))
          .map(({ state }) => state),
      ],
    },
  }
}

/** For people; empty where nothing is different. */
export const diffText = (diff: BlueprintDiff): string => {
  const lines = [
    ...(diff.endpoint ? [`~ endpoint ${diff.endpoint.from ?? 'none'} -> ${diff.endpoint.to ?? 'none'}`] : []),
    ...diff.states.removed.map((name) => `- state ${name}`),
    ...diff.states.added.map((name) => `+ state ${name}`),
    ...diff.changed.map(({ state, what }) => `~ state ${state}, ${what}`),
    ...diff.edges.removed.map((edge) => `- edge ${edge}`),
    ...diff.edges.added.map((edge) => `+ edge ${edge}`),
    ...diff.breaking.map((fault) => `! ${fault}`),
  ]
  const title = `${diff.from.name} v${diff.from.version} -> ${diff.to.name} v${diff.to.version}`
  if (lines.length === 0) return `${title}: the same graph and input\n`
  const migration = diff.migration.needsState
    ? `running jobs need a state named when they are migrated from: ${diff.migration.states.join(', ')}`
    : 'running jobs can be migrated as they stand'
  return `${[title, ...lines, migration].join('\n')}\n`
}

const edgeText = ({ from, to, condition }: { from: string; to: string; condition: string | null }): string =>
  condition === null ? `${from} -> ${to}` : `${from} -> ${to} [${condition}]`

const differences = (before: string[], after: string[]): { added: string[]; removed: string[] } => ({
  added: after.filter((each) => !before.includes(each)),
  removed: before.filter((each) => !after.includes(each)),
})

/** What a JSON Schema takes less than another. Only what can be told for sure: combinations (`anyOf` and the like) are told as changed. */
const schemaBreaks = (before: JsonObject | null, after: JsonObject | null, path: string): string[] => {
  if (!before || !after || JSON.stringify(before) === JSON.stringify(after)) return []
  const [oldFields, newFields] = [objectOf(before.properties), objectOf(after.properties)]
  const [oldTypes, newTypes] = [typesOf(before), typesOf(after)]
  const refused = newTypes && (oldTypes ?? ['anything']).filter((type) => !takes(newTypes, type))
  const breaks =
    refused && refused.length > 0
      ? [`${path}: was ${oldTypes?.join(' or ') ?? 'anything'}, is ${newTypes.join(' or ')}`]
      : []
  const oldRequired = textsOf(before.required)
  for (const name of textsOf(after.required))
    if (!oldRequired.includes(name)) breaks.push(`${path}.${name}: is required now`)
  if (after.additionalProperties === false)
    for (const name of Object.keys(oldFields))
      if (!Object.hasOwn(newFields, name)) breaks.push(`${path}.${name}: is not taken any more`)
  if (Array.isArray(after.enum)) {
    const members = Array.isArray(before.enum) ? before.enum : null
    const left = members?.filter((member) => !includes(after.enum as Json[], member))
    if (!left) breaks.push(`${path}: takes certain values only now`)
    else if (left.length > 0)
      breaks.push(`${path}: does not take ${left.map((each) => JSON.stringify(each)).join(', ')} any more`)
  }
  for (const [key, stricter] of Object.entries(bounds)) {
    const [old, now] = [before[key], after[key]]
    if (typeof now === 'number' && (typeof old !== 'number' || stricter(now, old)))
      breaks.push(`${path}: ${key} is ${now} now`)
  }
  for (const key of ['pattern', 'format', 'const', 'anyOf', 'oneOf', 'allOf', 'not', '$ref'])
    if (after[key] !== undefined && JSON.stringify(before[key]) !== JSON.stringify(after[key]))
      breaks.push(`${path}: ${key} has changed`)
  for (const [name, field] of Object.entries(newFields))
    if (Object.hasOwn(oldFields, name))
      breaks.push(...schemaBreaks(objectOf(oldFields[name]), objectOf(field), `${path}.${name}`))
  if (before.items !== undefined && after.items !== undefined)
    breaks.push(...schemaBreaks(objectOf(before.items), objectOf(after.items), `${path}[]`))
  return breaks
}

const lower = (now: number, old: number): boolean => now < old
const higher = (now: number, old: number): boolean => now > old
const bounds = {
  maximum: lower,
  exclusiveMaximum: lower,
  maxLength: lower,
  maxItems: lower,
  maxProperties: lower,
  minimum: higher,
  exclusiveMinimum: higher,
  minLength: higher,
  minItems: higher,
  minProperties: higher,
}

const takes = (types: string[], type: string): boolean =>
  types.includes(type) || (type === 'integer' && types.includes('number'))
const typesOf = ({ type }: JsonObject): string[] | null =>
  type === undefined ? null : textsOf(Array.isArray(type) ? type : [type])
const textsOf = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : []
const objectOf = (value: Json | undefined): JsonObject =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {}
const includes = (list: Json[], member: Json): boolean =>
  list.some((each) => JSON.stringify(each) === JSON.stringify(member))
