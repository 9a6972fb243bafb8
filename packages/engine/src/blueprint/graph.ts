import type { BlueprintGraph } from '@tutti/contracts'
import type { Blueprint, StateDefinition } from './blueprint.ts'

export const graphOf = (blueprint: Blueprint): BlueprintGraph => ({
  name: blueprint.name,
  version: blueprint.version,
  start: blueprint.states.find((state) => state.start)?.name ?? '',
  states: [
    ...blueprint.states.map((state) => ({
      name: state.name,
      kind: kindOf(state),
      outcome: null,
      undo: state.undo,
    })),
    ...blueprint.ends.map((end) => ({ name: end.name, kind: 'end' as const, outcome: end.outcome, undo: null })),
  ],
  edges: blueprint.states.flatMap((state) => [
    ...state.conditions.flatMap(({ name, to }) =>
      to.map((target) => ({ from: state.name, to: target, condition: name })),
    ),
    ...state.to.map((to) => ({ from: state.name, to, condition: null })),
  ]),
})

const kindOf = (state: StateDefinition): 'start' | 'state' | 'undo' => {
  if (state.compensates) return 'undo'
  return state.start ? 'start' : 'state'
}

const quote = (text: string): string =>
  `"${text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll(/[\r\n]+/g, ' ')}"`

const looks = { start: 'rounded,bold', state: 'rounded', end: 'rounded,filled', undo: 'rounded,dashed' } as const

/** The graph in Graphviz's language. What undoes a state hangs on it by a dashed line. */
export const toDot = (graph: BlueprintGraph): string =>
  [
    `// State Machine for ${graph.name.replaceAll('\n', ' ')}`,
    'digraph {',
    '  node [shape=box];',
    ...graph.states.map((state) => `  ${quote(state.name)} [style=${quote(looks[state.kind])}];`),
    ...graph.edges.map(({ from, to, condition }) => {
      const label = condition === null ? '' : ` [label=${quote(condition)}]`
      return `  ${quote(from)} -> ${quote(to)}${label};`
    }),
    ...graph.states.flatMap(({ name, undo }) =>
      undo === null ? [] : [`  ${quote(name)} -> ${quote(undo)} [style="dashed",label="undo"];`],
    ),
    '}',
    '',
  ].join('\n')
