import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { Pod } from 'kubernetes-models/v1'
import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../port.ts'
import { type KubernetesSpec, kubernetesManifests } from './manifest.ts'

const spec: KubernetesSpec = {
  ...{ id: 's-0c9d7b1e-52a4', namespace: 'tutti', image: 'registry.example/tutti-executor:1' },
  command: ['/opt/node/bin/node', '/opt/tutti/apps/executor/src/main.ts'],
  ...{ environmentSecret: 'tutti-s-0c9d7b1e-52a4', workspaceClaim: 'workspace-0c9d7b1e', limits: DEFAULT_LIMITS },
  manager: {
    ...{ podLabels: { app: 'executor-manager' }, namespaceLabels: { 'kubernetes.io/metadata.name': 'tutti' } },
    port: 8001,
  },
}
type Parameters<T> = T extends new (data?: infer D) => unknown ? D : never
const made = (more: Partial<KubernetesSpec> = {}) => {
  const [policy, pod] = kubernetesManifests({ ...spec, ...more })
  return {
    policy: new NetworkPolicy(policy as Parameters<typeof NetworkPolicy>),
    pod: new Pod(pod as Parameters<typeof Pod>),
  }
}

describe('a sandbox as objects of Kubernetes', () => {
  it('they-are-valid-by-the-published-schema', () => {
    for (const more of [{}, { runtimeClass: 'gvisor' }, { limits: { ...DEFAULT_LIMITS, cpus: 0.5, wallMs: 90_500 } }]) {
      const { policy, pod } = made(more)
      expect(() => policy.validate()).not.toThrow()
      expect(() => pod.validate()).not.toThrow()
    }
    // So the schema is one that can refuse.
    const { pod } = made({ command: [1] as unknown as string[] })
    expect(() => pod.validate()).toThrow(/command/)
  })

  it('the-pod-keeps-the-restricted-security-profile', () => {
    const { pod } = made()
    const found = pod.spec
    expect(found).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    })
    expect(found?.securityContext?.runAsUser).toBeGreaterThan(0)
    // What the profile forbids by its presence.
    for (const name of ['hostNetwork', 'hostPID', 'hostIPC', 'hostUsers', 'initContainers', 'ephemeralContainers'])
      expect(found).not.toHaveProperty(name)
    for (const container of found?.containers ?? []) {
      expect(container.securityContext).toEqual({
        ...{ allowPrivilegeEscalation: false, privileged: false, readOnlyRootFilesystem: true },
        capabilities: { drop: ['ALL'] },
      })
      expect(container).not.toHaveProperty('ports')
    }
    const kinds = (found?.volumes ?? []).flatMap(({ name: _name, ...kind }) => Object.keys(kind))
    expect(new Set(kinds)).toEqual(new Set(['persistentVolumeClaim', 'emptyDir']))
  })

  it('limits-are-asked-for-whole-and-scratch-counts-as-memory', () => {
    const { pod } = made({ limits: { memoryBytes: 1024 ** 3, processes: 10, cpus: 0.5, wallMs: 90_500 } })
    const [container] = pod.spec?.containers ?? []
    expect(container?.resources?.limits).toMatchObject({ memory: '1024Mi', cpu: '500m' })
    expect(container?.resources?.requests).toEqual(container?.resources?.limits)
    expect(pod.spec?.activeDeadlineSeconds).toBe(91)
    const scratch = (pod.spec?.volumes ?? []).flatMap(({ emptyDir }) => (emptyDir ? [emptyDir] : []))
    expect(scratch).toEqual([
      { medium: 'Memory', sizeLimit: '256Mi' },
      { medium: 'Memory', sizeLimit: '128Mi' },
    ])
  })

  it('only-the-manager-can-be-reached-and-nobody-reaches-it', () => {
    const { policy, pod } = made()
    expect(policy.spec).toMatchObject({ policyTypes: ['Ingress', 'Egress'], ingress: [] })
    expect(policy.spec?.egress).toEqual([
      {
        to: [
          {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'tutti' } },
            podSelector: { matchLabels: { app: 'executor-manager' } },
          },
        ],
        ports: [{ protocol: 'TCP', port: 8001 }],
      },
    ])
    expect(policy.spec?.podSelector?.matchLabels).toEqual(pod.metadata?.labels)
  })

  it('a-name-that-a-cluster-refuses-is-refused-here', () => {
    for (const id of ['', 'Upper', '-x', 'a'.repeat(60), 'a_b']) expect(() => made({ id })).toThrow(/cannot be part/)
  })
})
