/**
 * One sandbox as objects of Kubernetes: a pod of the restricted security profile, and the network policy that closes it. Pure:
 * nothing here speaks to a cluster. Experimental: there is no driver behind it yet, see docs/guides/operating.md.
 */
import type { SandboxLimits } from '../port.ts'
import { HOME, WORKSPACE } from '../spec.ts'

export interface KubernetesSpec {
  /** As of a sandbox; it becomes part of the names. */
  id: string
  namespace: string
  /** Holds the executor, Node and the agent's executable: nothing of a host is mounted. */
  image: string
  command: string[]
  /** A secret of the namespace with the environment, so that no manifest shows it. */
  environmentSecret: string
  /** A claim of the namespace: the workspace has to outlive the pod. */
  workspaceClaim: string
  limits: SandboxLimits
  /** The only place that the pod may speak to. */
  manager: { podLabels: Record<string, string>; namespaceLabels: Record<string, string>; port: number }
  /** Such as `gvisor`; the cluster's default unless given. */
  runtimeClass?: string
}

/** Nobody's: no image and no host has files of it. */
const user = 65_532
const mebibyte = 1024 * 1024

/** A pod that runs once, and the policy that must be there before it. Everything that is not listed is refused. */
export function kubernetesManifests(spec: KubernetesSpec): [networkPolicy: object, pod: object] {
  if (!/^[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?$/.test(spec.id)) {
    throw new Error(`${JSON.stringify(spec.id)} cannot be part of a name in Kubernetes`)
  }
  const labels = { 'app.kubernetes.io/name': 'tutti-sandbox', 'tutti/sandbox': spec.id }
  const metadata = { name: `tutti-${spec.id}`, namespace: spec.namespace, labels }
  return [
    {
      ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata },
      spec: {
        podSelector: { matchLabels: labels },
        policyTypes: ['Ingress', 'Egress'],
        ingress: [],
        egress: [
          {
            to: [
              {
                namespaceSelector: { matchLabels: spec.manager.namespaceLabels },
                podSelector: { matchLabels: spec.manager.podLabels },
              },
            ],
            ports: [{ protocol: 'TCP', port: spec.manager.port }],
          },
        ],
      },
    },
    { ...{ apiVersion: 'v1', kind: 'Pod', metadata }, spec: podSpec(spec) },
  ]
}

function podSpec(spec: KubernetesSpec): object {
  const { limits } = spec
  return {
    restartPolicy: 'Never',
    // Not one of the cluster's: whoever is inside must not speak to its API.
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    // The policy lets no question about names out.
    dnsPolicy: 'None',
    dnsConfig: { nameservers: ['127.0.0.1'] },
    terminationGracePeriodSeconds: 0,
    ...(limits.wallMs === undefined ? {} : { activeDeadlineSeconds: Math.ceil(limits.wallMs / 1000) }),
    ...(spec.runtimeClass === undefined ? {} : { runtimeClassName: spec.runtimeClass }),
    securityContext: {
      ...{ runAsNonRoot: true, runAsUser: user, runAsGroup: user, fsGroup: user },
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [
      {
        name: 'sandbox',
        image: spec.image,
        command: spec.command,
        workingDir: WORKSPACE,
        envFrom: [{ secretRef: { name: spec.environmentSecret } }],
        env: [
          { name: 'HOME', value: HOME },
          { name: 'TMPDIR', value: '/tmp' },
        ],
        // The same for requests: what a neighbour leaves over is not to be had.
        resources: { limits: resources(limits), requests: resources(limits) },
        securityContext: {
          ...{ allowPrivilegeEscalation: false, privileged: false, readOnlyRootFilesystem: true },
          capabilities: { drop: ['ALL'] },
        },
        volumeMounts: [
          { name: 'workspace', mountPath: WORKSPACE },
          { name: 'tmp', mountPath: '/tmp' },
          { name: 'home', mountPath: HOME },
        ],
      },
    ],
    volumes: [
      { name: 'workspace', persistentVolumeClaim: { claimName: spec.workspaceClaim } },
      scratch('tmp', limits.tmpBytes ?? limits.memoryBytes / 4),
      scratch('home', limits.homeBytes ?? limits.memoryBytes / 8),
    ],
  }
}

/** In memory, as in the other sandboxes: it counts against the limit of memory, and is gone with the pod. */
function scratch(name: string, bytes: number): object {
  return { name, emptyDir: { medium: 'Memory', sizeLimit: `${Math.ceil(bytes / mebibyte)}Mi` } }
}

/** Processes are the node's to limit (podPidsLimit); the disk is the claim's. */
function resources({ memoryBytes, cpus }: SandboxLimits): Record<string, string> {
  return {
    memory: `${Math.ceil(memoryBytes / mebibyte)}Mi`,
    cpu: `${Math.round((cpus ?? 1) * 1000)}m`,
    'ephemeral-storage': '64Mi',
  }
}
