/**
 * Prints a sandbox as objects of Kubernetes, for who tries it on a cluster. An experiment: no manager starts them.
 *
 *   node scripts/kubernetes-manifest.ts --id s-1 --image registry.example/tutti-executor:1 | kubectl apply --dry-run=server -f -
 */
import { parseArgs } from 'node:util'
import { DEFAULT_LIMITS, kubernetesManifests } from '@tutti/sandbox'

const { values } = parseArgs({
  options: {
    id: { type: 'string' },
    image: { type: 'string' },
    namespace: { type: 'string', default: 'tutti' },
    /** A secret of the namespace with TUTTI_RELAY, TUTTI_RELAY_TOKEN and TUTTI_CLAUDE_EXECUTABLE. */
    secret: { type: 'string', default: 'tutti-sandbox' },
    claim: { type: 'string', default: 'tutti-workspace' },
    'memory-mb': { type: 'string', default: String(DEFAULT_LIMITS.memoryBytes / 1024 ** 2) },
    'runtime-class': { type: 'string' },
  },
})
const { id, image, namespace, secret, claim } = values
if (id === undefined || image === undefined) {
  console.error(
    'usage: node scripts/kubernetes-manifest.ts --id ID --image IMAGE [--namespace …] [--secret …] [--claim …]',
  )
  process.exit(2)
}
const runtimeClass = values['runtime-class']
const items = kubernetesManifests({
  ...{ id, image, namespace, environmentSecret: secret, workspaceClaim: claim },
  command: ['/opt/node/bin/node', '/opt/tutti/apps/executor/src/main.ts'],
  limits: { ...DEFAULT_LIMITS, memoryBytes: Number(values['memory-mb']) * 1024 ** 2 },
  manager: {
    podLabels: { 'app.kubernetes.io/name': 'tutti-executor-manager' },
    namespaceLabels: { 'kubernetes.io/metadata.name': namespace },
    port: 8001,
  },
  ...(runtimeClass === undefined ? {} : { runtimeClass }),
})
console.log(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 2))
