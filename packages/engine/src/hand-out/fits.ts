/**
 * Whether a worker can do the tasks of a queue, from its capabilities alone. Who else is there is judged in matching.ts.
 */
import type { DeviceNeed, Needs, Queue, Wanted } from '../job/needs.ts'
import type { Artifact, Capabilities, Offer } from '../workers/capabilities.ts'
import { firstUnmet } from './devices.ts'
import { firstUnequal, firstUnsatisfied } from './satisfies.ts'

export const fits = (queue: Queue, capabilities: Capabilities): boolean => whyUnfit(queue, capabilities) === null

/** The first need that isn't met, as the end of a sentence that begins with the worker; null when it fits. */
export const whyUnfit = ({ skill, needs }: Queue, has: Capabilities): string | null => {
  const offer = has.offers[skill]
  if (!offer) return `does not offer the skill ${skill}`
  return (
    whyOffer(skill, needs, offer) ??
    whyDevices(needs.devices ?? [], has) ??
    whyProperties(needs.properties, has) ??
    whyArtifacts(needs.artifacts ?? [], has.artifacts) ??
    whySoftware(needs.software ?? {}, has.software) ??
    whyLabels(needs.labels ?? {}, has.labels) ??
    whyExtra(needs.extra, has)
  )
}

const whyOffer = (name: string, { skill, maxCost }: Needs, offer: Offer): string | null => {
  if (skill?.version !== undefined && skill.version !== offer.version)
    return `offers ${name} in version ${offer.version ?? 'unknown'}, not ${skill.version}`
  if (skill?.type !== undefined && skill.type !== offer.type)
    return `offers ${name} of type ${offer.type ?? 'unknown'}, not ${skill.type}`
  const property = firstUnsatisfied(skill?.properties, offer.properties)
  if (property !== null) return `offers ${name} with another ${property}`
  if (maxCost === undefined) return null
  // A limit is a promise to whoever pays. A worker that names no price can't be held to one.
  if (offer.price === null) return `names no price for ${name}, and at most ${maxCost} is paid`
  return offer.price > maxCost ? `takes ${offer.price} for ${name}, and at most ${maxCost} is paid` : null
}

const whyDevices = (needs: DeviceNeed[], { devices }: Capabilities): string | null => {
  const unmet = firstUnmet(needs, devices)
  const need = needs[unmet]
  if (!need) return null
  return `has no ${needs.length > 1 ? `free ${ordinal(unmet)} ` : ''}device with ${inWords(need)}`
}

const whyProperties = (wanted: Record<string, Wanted> | undefined, { properties }: Capabilities): string | null => {
  const name = firstUnsatisfied(wanted, properties)
  if (name === null) return null
  const has = Object.hasOwn(properties, name) ? JSON.stringify(properties[name]) : 'unknown'
  return `has ${name} ${has}, wanted is ${JSON.stringify(wanted?.[name])}`
}

const whyArtifacts = (wanted: NonNullable<Needs['artifacts']>, has: Artifact[]): string | null => {
  const missing = wanted.find(
    ({ name, version, properties }) =>
      !has.some(
        (artifact) =>
          artifact.name === name &&
          (version === undefined || version === 'unknown' || version === artifact.version) &&
          firstUnsatisfied(properties, artifact.properties) === null,
      ),
  )
  if (!missing) return null
  if (!has.some((artifact) => artifact.name === missing.name)) return `has no artifact ${missing.name}`
  return `has ${missing.name} in another version or with other properties`
}

const whySoftware = (wanted: Record<string, string>, has: Record<string, string>): string | null => {
  for (const [name, version] of Object.entries(wanted)) {
    const installed = Object.hasOwn(has, name) ? has[name] : undefined
    if (installed === undefined) return `has no ${name} installed`
    if (version !== 'any' && version !== installed) return `has ${name} ${installed}, not ${version}`
  }
  return null
}

const whyLabels = (wanted: Record<string, string>, has: Record<string, string>): string | null => {
  const name = firstUnequal(wanted, has)
  return name === null ? null : `is not labelled ${name}: ${wanted[name]}`
}

const whyExtra = (wanted: Needs['extra'], { extra }: Capabilities): string | null => {
  const name = firstUnequal(wanted, extra)
  return name === null ? null : `has another ${name} in capabilities.extra`
}

const ordinal = (index: number): string => `${index + 1}.`

const inWords = ({ properties, ...named }: DeviceNeed): string => {
  const parts = Object.entries({ ...named, ...properties }).map(([name, value]) => `${name} ${JSON.stringify(value)}`)
  return parts.length > 0 ? parts.join(', ') : 'anything at all'
}
