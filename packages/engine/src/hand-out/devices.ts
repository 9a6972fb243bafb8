/**
 * Giving each wanted device one of its own. First come, first served would fail where it need not: a need for "any GPU" would take
 * the big one that the next need asks for by name.
 */
import type { DeviceNeed } from '../job/needs.ts'
import type { Device } from '../workers/capabilities.ts'
import { firstUnsatisfied } from './satisfies.ts'

/** The first need that can't be met together with those before it, or -1. */
export const firstUnmet = (needs: DeviceNeed[], devices: Device[]): number => {
  const takenBy = new Map<number, number>()
  // Augmenting paths (Kuhn): a device that is taken is freed if its need finds another one.
  const place = (need: number, tried: Set<number>): boolean =>
    devices.some((device, at) => {
      if (tried.has(at) || !suits(needs[need] as DeviceNeed, device)) return false
      tried.add(at)
      const holder = takenBy.get(at)
      if (holder !== undefined && !place(holder, tried)) return false
      takenBy.set(at, need)
      return true
    })
  return needs.findIndex((_, need) => !place(need, new Set()))
}

const suits = (need: DeviceNeed, device: Device): boolean =>
  (need.type === undefined || need.type === device.type) &&
  (need.model === undefined || (device.model ?? '').toLowerCase().includes(need.model.toLowerCase())) &&
  (need.id === undefined || need.id === device.id) &&
  firstUnsatisfied(need.properties, device.properties) === null
