/** The arrows of the architecture: contracts ← engine ← stores ← apps; contracts ← workbench | sandbox | agents | objects ← apps. */
const only = (name, from, ...allowed) => ({
  name,
  severity: 'error',
  from: { path: from, pathNot: '\\.test\\.ts$|/test/' },
  to: { path: '^(packages|apps|examples|bench)/', pathNot: [from, ...allowed.map((folder) => `^packages/${folder}/`)] },
})

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    only('contracts-imports-nothing-of-ours', '^packages/contracts/'),
    only('engine-knows-ports-never-adapters', '^packages/engine/', 'contracts'),
    only('stores', '^packages/stores/', 'contracts', 'engine'),
    only('history', '^packages/history/', 'contracts', 'engine'),
    only('links', '^packages/links/', 'contracts'),
    only('objects', '^packages/objects/', 'contracts'),
    only('openapi', '^packages/openapi/', 'contracts'),
    only('sandbox', '^packages/sandbox/', 'contracts'),
    only('agents', '^packages/agents/', 'contracts'),
    only('client', '^packages/client/', 'contracts'),
    only('worker', '^packages/worker/', 'contracts'),
    only('network', '^packages/network/'),
    only('config', '^packages/config/', 'contracts', 'network'),
    only('telemetry', '^packages/telemetry/', 'contracts'),
    only('workbench', '^packages/workbench/', 'contracts', 'engine', 'objects', 'stores', 'telemetry'),
    {
      name: 'no-package-imports-an-app',
      severity: 'error',
      from: { path: '^(packages|examples)/' },
      to: { path: '^apps/' },
    },
    {
      name: 'no-app-imports-another-except-cli',
      severity: 'error',
      from: { path: '^apps/(?!cli/)([^/]+)/', pathNot: '/test/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'engine-does-no-io',
      severity: 'error',
      from: { path: '^packages/engine/src/' },
      to: {
        path: '^(node:)?(fs|fs/promises|http|https|net|child_process|worker_threads)$|node_modules/(pg|redis|fastify)/',
      },
    },
    { name: 'nothing-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)node_modules/(?!@tutti/)' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'default'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
}
