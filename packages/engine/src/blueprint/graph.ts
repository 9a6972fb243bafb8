import type { BlueprintGraph } from '@tutti/contracts'
import type { Blueprint } from './blueprint.ts'

export const graphOf = (blueprint: Blueprint): BlueprintGraph => ({
  name: blueprint.name,
  version: blueprint.version,
  start: blueprint.states.find((state) => state.start)?.name ?? '',
  states: [
    ...blueprint.states.map((state) => ({
      name: state.name,
      kind: state.start ? ('start' as const) : ('state' as const),
      outcome: null,
    })),
    ...blueprint.ends.map((end) => ({ name: end.name, kind: 'end' as const, outcome: end.outcome })),
  ],
  edges: blueprint.states.flatMap((state) => state.to.map((to) => ({ from: state.name, to }))),
})

const quote = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`

/** The graph in Graphviz's language. */
export const toDot = (graph: BlueprintGraph): string => {
  const shape = { start: 'rounded,bold', state: 'rounded', end: 'rounded,filled' } as const
  return [
    `// State Machine for ${graph.name.replaceAll('\n', ' ')}`,
    'digraph {',
    '  node [shape=box];',
    ...graph.states.map((state) => `  ${quote(state.name)} [style=${quote(shape[state.kind])}];`),
    ...graph.edges.map((edge) => `  ${quote(edge.from)} -> ${quote(edge.to)};`),
    '}',
    '',
  ].join('\n')
}
