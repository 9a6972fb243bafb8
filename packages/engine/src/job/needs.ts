/** What a task asks of the worker that is to do it, and the queue that follows from it. */
import type { Json } from '@tutti/contracts'
import { sortedJson } from './sorted-json.ts'

/** Equal, or for numbers at least as much; a list takes any of its members. */
export type Wanted = string | number | boolean | (string | number)[]

/** One device of the worker; several are matched one to one. */
export interface DeviceNeed {
  type?: string
  /** A part of the model's name, in any case. */
  model?: string
  id?: string
  properties?: Record<string, Wanted>
}

/** All that is named must be there; what is left out does not count. */
export interface Needs {
  devices?: DeviceNeed[]
  /** Of the worker as a whole: cores, memory. */
  properties?: Record<string, Wanted>
  artifacts?: { name: string; version?: string; properties?: Record<string, Wanted> }[]
  /** Version by name; `any` for whichever. */
  software?: Record<string, string>
  labels?: Record<string, string>
  /** Of the skill as the worker offers it. */
  skill?: { version?: string; type?: string; properties?: Record<string, Wanted> }
  extra?: Record<string, Json>
  /** Highest price of the skill that is paid. */
  maxCost?: number
  /** Only these workers, as long as one of them is there (`sticky`). */
  workers?: string[]
  /** None of these (anti-affinity). */
  notWorkers?: string[]
}

/** Which of several waiting workers gets a task. */
export const strategies = ['default', 'round_robin', 'least_connections', 'cheapest', 'best_value', 'overflow'] as const
export type Strategy = (typeof strategies)[number]

export interface Queue {
  skill: string
  needs: Needs
  strategy: Strategy
}

/**
 * The name of the queue in which tasks of this kind wait. It tells everything of the queue, so that any instance can match it to its
 * workers without asking: the skill alone where nothing else is wanted, else JSON with sorted keys.
 */
export const queueName = ({ skill, needs, strategy }: Queue): string => {
  const plain = strategy === 'default' && Object.keys(needs).length === 0 && !skill.startsWith('[')
  return plain ? skill : sortedJson([skill, needs, strategy])
}

export const parseQueue = (name: string): Queue => {
  if (!name.startsWith('[')) return { skill: name, needs: {}, strategy: 'default' }
  const [skill, needs, strategy] = JSON.parse(name) as [string, Needs, Strategy]
  return { skill, needs, strategy }
}
