import { dirname } from 'node:path'
import type Docker from 'dockerode'
import type { Mount } from '../port.ts'
import { seccompProfile } from '../seccomp/profile.ts'
import { HOME, type ResolvedSpec, WORKSPACE } from '../spec.ts'
import { entryCommand } from './entry.ts'

/** By these a later manager finds what an earlier one left; `owner` is the identity of its state directory. */
export const LABEL = { owner: 'tutti.owner', id: 'tutti.sandbox' } as const

const SHM_BYTES = 64 * 1024 * 1024
/** The shell that is the container's init, and its watcher, are no processes of the command's. */
const OWN_PROCESSES = 2
const CPU_NANOSECONDS = 1e9

export interface ContainerInput {
  spec: ResolvedSpec
  image: string
  /** Of the OCI runtime, e.g. `runsc`; the engine's default unless given. */
  runtime: string | undefined
  /** Of the engine; none unless given. */
  network: string | undefined
  owner: string
  /** Whom the command runs as, a number of the host. */
  uid: number
  gid: number
  /** Directory with our own passwd, group, hosts and nsswitch.conf. */
  etcDir: string
  /** Bytes of the environment script that will come over standard input. */
  environmentBytes: number
}

/** One container per sandbox; two managers with one engine never share a name. */
export function containerName(owner: string, id: string): string {
  return `tutti-${owner}-${id}`
}

/**
 * Everything an engine is told. No environment: what a container is created with is written to the engine's disk and
 * shown to all who may inspect it.
 */
export function containerOptions(input: ContainerInput): Docker.ContainerCreateOptions {
  const { spec } = input
  const { limits } = spec
  return {
    name: containerName(input.owner, spec.id),
    Image: input.image,
    Labels: { ...spec.labels, [LABEL.owner]: input.owner, [LABEL.id]: spec.id },
    Hostname: 'sandbox',
    User: `${input.uid}:${input.gid}`,
    WorkingDir: '/',
    // An image's own entry point and health check would run beside the command.
    Entrypoint: entryCommand(input.environmentBytes),
    Cmd: [...spec.command],
    Healthcheck: { Test: ['NONE'] },
    StopSignal: 'SIGKILL',
    ...{ OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: false },
    HostConfig: {
      ...networkOf(input.network),
      ...{ IpcMode: 'private', CgroupnsMode: 'private', Privileged: false, Init: false },
      ...(input.runtime === undefined ? {} : { Runtime: input.runtime }),
      RestartPolicy: { Name: 'no' },
      // Output is for the manager; on the engine's disk it would be an unbounded copy of what the agent says.
      LogConfig: { Type: 'none', Config: {} },
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges', `seccomp=${seccompProfile()}`],
      Memory: limits.memoryBytes,
      // With swap the limit would only make the host slow, not the sandbox small.
      MemorySwap: limits.memoryBytes,
      PidsLimit: limits.processes + OWN_PROCESSES,
      ...(limits.cpus === undefined ? {} : { NanoCpus: Math.round(limits.cpus * CPU_NANOSECONDS) }),
      Ulimits: ulimits(spec),
      OomScoreAdj: 500,
      ShmSize: SHM_BYTES,
      Tmpfs: {
        '/tmp': scratch(limits.tmpBytes, input),
        [dirname(HOME)]: scratch(limits.homeBytes, input),
      },
      Mounts: [
        bind({ from: spec.workspace, to: WORKSPACE }, false),
        // In a network the engine tells which names there are.
        ...(input.network === undefined ? ['passwd', 'group', 'hosts', 'nsswitch.conf'] : ['passwd', 'group']).map(
          (name) => bind({ from: `${input.etcDir}/${name}`, to: `/etc/${name}` }, true),
        ),
        ...spec.readOnly.map((mount) => bind(mount, true)),
        // Connecting to a socket needs no writable mount; without one nobody inside can put another in its place.
        ...(spec.socketDir ? [bind(spec.socketDir, true)] : []),
      ],
    },
  }
}

function networkOf(network: string | undefined): Pick<Docker.HostConfig, 'NetworkMode' | 'ExtraHosts'> {
  if (network === undefined) return { NetworkMode: 'none' }
  return { NetworkMode: network, ExtraHosts: ['host.docker.internal:host-gateway'] }
}

function bind(mount: Mount, readOnly: boolean): Docker.MountSettings {
  return {
    ...{ Type: 'bind', Source: mount.from, Target: mount.to, ReadOnly: readOnly },
    // What is mounted below it on the host stays there: `ReadOnly` would not reach it.
    BindOptions: { Propagation: 'rprivate', NonRecursive: true },
  } as Docker.MountSettings
}

/** Owned by the user: runtimes give it the mode of the image's directory, whatever is asked. */
function scratch(bytes: number, { uid, gid }: ContainerInput): string {
  return `rw,exec,nosuid,nodev,uid=${uid},gid=${gid},size=${bytes}`
}

/** These bound one process each; the totals are the control group's. */
function ulimits({ limits }: ResolvedSpec): { Name: string; Soft: number; Hard: number }[] {
  const values: Record<string, number | undefined> = {
    ...{ nofile: limits.openFiles, core: 0, memlock: 0, msgqueue: 0, fsize: limits.diskBytes },
    cpu: limits.cpuSeconds === undefined ? undefined : limits.cpuSeconds + 2,
  }
  return Object.entries(values).flatMap(([Name, value]) =>
    value === undefined ? [] : [{ Name, Soft: value, Hard: value }],
  )
}
