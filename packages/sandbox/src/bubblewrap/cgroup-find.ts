import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { errorMessage } from '../error.ts'

export type Controller = 'memory' | 'pids' | 'cpu'

/** A directory under which sandboxes may have groups, and the controllers that work there. */
export interface CgroupParent {
  dir: string
  version: 1 | 2
  controllers: Controller[]
}

/**
 * - `auto`: only where this process's own group is the root it can see, i.e. a container or a machine of its own.
 *   Elsewhere the tree has another owner (systemd, a container runtime), who expects to be its only writer.
 * - `{ parent }`: a group below each hierarchy's root that is ours to fill, e.g. `/system.slice/tutti.service`.
 * - `off`: never.
 */
export type CgroupChoice = 'auto' | 'off' | { parent: string }

export interface CgroupFound {
  parents: CgroupParent[]
  /** Why a controller is not used, in words for an operator. */
  notes: string[]
}

const CONTROLLERS: readonly Controller[] = ['memory', 'pids', 'cpu']
const AUTO_PARENT = '/tutti'
const LIMIT_FILE = {
  1: { memory: 'memory.limit_in_bytes', pids: 'pids.max', cpu: 'cpu.cfs_quota_us' },
  2: { memory: 'memory.max', pids: 'pids.max', cpu: 'cpu.max' },
} as const

/** Finds where groups can be made, by making and removing one. `proc` is /proc, another folder in tests. */
export function findCgroups(choice: CgroupChoice, proc = '/proc'): CgroupFound {
  if (choice === 'off') return { parents: [], notes: ['cgroups are switched off'] }
  const parents: CgroupParent[] = []
  const notes: string[] = []
  const hierarchies = readHierarchies(proc)
  for (const controller of CONTROLLERS) {
    const hierarchy = hierarchies.find((one) => one.controllers.includes(controller))
    if (hierarchy === undefined) {
      notes.push(`the ${controller} controller is not mounted`)
      continue
    }
    if (choice === 'auto' && hierarchy.ownGroup !== '/') {
      notes.push(`the ${controller} controller belongs to somebody else here (own group ${hierarchy.ownGroup})`)
      continue
    }
    const group = choice === 'auto' ? AUTO_PARENT : choice.parent
    const dir = `${hierarchy.mountPoint}${group}`.replace(/\/$/, '')
    const fault = tryParent(hierarchy, dir, controller)
    if (fault) notes.push(`the ${controller} controller is not usable at ${dir}: ${fault}`)
    else {
      const known = parents.find((one) => one.dir === dir)
      if (known) known.controllers.push(controller)
      else parents.push({ dir, version: hierarchy.version, controllers: [controller] })
    }
  }
  return { parents, notes }
}

interface Hierarchy {
  version: 1 | 2
  mountPoint: string
  controllers: string[]
  ownGroup: string
}

function readHierarchies(proc: string): Hierarchy[] {
  const groups = read(`${proc}/self/cgroup`).split('\n').filter(Boolean)
  return read(`${proc}/self/mountinfo`)
    .split('\n')
    .flatMap((line): Hierarchy[] => {
      const [left, right] = line.split(' - ')
      const mountPoint = left?.split(' ')[4]
      const [type, , options] = right?.split(' ') ?? []
      if (mountPoint === undefined || options === undefined) return []
      if (type === 'cgroup2') {
        const ownGroup = groups.find((one) => one.startsWith('0::'))?.slice(3) ?? '/'
        return [{ version: 2, mountPoint, ownGroup, controllers: words(read(`${mountPoint}/cgroup.controllers`)) }]
      }
      if (type !== 'cgroup') return []
      const controllers = options.split(',')
      const own = groups.map((one) => one.split(':')).find(([, names]) => controllers.includes(names ?? ''))
      return [{ version: 1, mountPoint, ownGroup: own?.slice(2).join(':') ?? '/', controllers }]
    })
}

/** What is wrong with using this parent, or undefined. */
function tryParent(hierarchy: Hierarchy, dir: string, controller: Controller): string | undefined {
  const trial = `${dir}/trial-${process.pid}`
  try {
    mkdirSync(dir, { recursive: true })
    if (hierarchy.version === 2) {
      enable(hierarchy.mountPoint, controller)
      enable(dir, controller)
    }
    mkdirSync(trial)
  } catch (error) {
    return errorMessage(error)
  }
  try {
    const file = LIMIT_FILE[hierarchy.version][controller]
    return existsSync(`${trial}/${file}`) ? undefined : `a new group has no ${file}`
  } finally {
    rmdirSync(trial)
  }
}

/** Lets the children of a version 2 group have the controller. Refused by the kernel where it holds processes itself. */
function enable(dir: string, controller: Controller): void {
  const file = `${dir}/cgroup.subtree_control`
  if (!words(read(file)).includes(controller)) writeFileSync(file, `+${controller}`)
}

function words(text: string): string[] {
  return text.split(/\s+/).filter(Boolean)
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
