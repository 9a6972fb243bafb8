import { createHash } from 'node:crypto'
import { sortedJson } from '../job/sorted-json.ts'
import type { Blueprint, StateDefinition } from './blueprint.ts'

/**
 * A hash of what a blueprint does, as far as it can be seen: its document where it has one, else its graph, its schemas and the text of
 * its handlers. Modules that the handlers call are not in it.
 */
export const fingerprintOf = (blueprint: Blueprint): string =>
  createHash('sha256')
    .update(sortedJson(blueprint.source ?? visible(blueprint)))
    .digest('hex')

const visible = ({
  name,
  version,
  endpoint,
  input,
  output,
  events,
  skills,
  stores,
  states,
  ends,
}: Blueprint): unknown => ({
  name,
  version,
  endpoint,
  input: input?.jsonSchema,
  output: output?.jsonSchema,
  events: Object.entries(events).map(([event, check]) => [event, check.jsonSchema]),
  skills: Object.entries(skills).map(([skill, { params, result }]) => [skill, params?.jsonSchema, result?.jsonSchema]),
  stores: Object.keys(stores),
  states: states.map((state) => ({ ...state, ...textsOf(state) })),
  ends: ends.map((end) => ({ ...end, output: String(end.output) })),
})

const textsOf = ({ conditions, run }: StateDefinition) => ({
  run: String(run),
  conditions: conditions.map((condition) => ({
    ...condition,
    when: String(condition.when),
    run: String(condition.run),
  })),
})
