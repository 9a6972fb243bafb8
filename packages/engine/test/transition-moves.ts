/** Random actions and moves, as far as they can be said before the job is known. */
import fc from 'fast-check'
import type { Action } from '../src/blueprint/action.ts'
import { aSpec, limits as coreLimits, startedAt } from './core.ts'

/** Few transitions, so that a run meets the limit. */
export const limits = { ...coreLimits, maxTransitions: 15 }
const stateName = fc.constantFrom('a', 'b', 'c')
const retry = fc.option(
  fc.record({
    attempts: fc.option(fc.integer({ min: 1, max: 4 })),
    backoff: fc.constantFrom('fixed' as const, 'exponential' as const),
    initialMs: fc.integer({ min: 0, max: 100 }),
    maxMs: fc.integer({ min: 0, max: 1_000 }),
    elsewhere: fc.boolean(),
  }),
)
const place = fc.option(fc.oneof(fc.constant(true as const), stateName))
const spec = fc
  .record({
    retry,
    sticky: place,
    avoid: place,
    pickupMs: fc.option(fc.nat({ max: 1_000 })),
    resultMs: fc.option(fc.nat({ max: 1_000 })),
  })
  .map(aSpec)
const on = fc.dictionary(
  fc.constantFrom('success', 'failure', 'cancelled', 'own', 'yes', 'timeout', 'event'),
  stateName,
  {
    maxKeys: 4,
  },
)

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('go_to' as const),
      to: stateName,
      data: fc.option(fc.dictionary(fc.constantFrom('x', 'y', '__proto__'), fc.integer())),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('dispatch' as const), task: spec, on, onEvent: on }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('parallel' as const),
      tasks: fc.array(spec, { maxLength: 6 }),
      into: stateName,
      failFast: fc.boolean(),
      concurrency: fc.option(fc.integer({ min: 1, max: 3 })),
      quorum: fc.option(fc.integer({ min: 1, max: 4 })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('approval' as const),
      message: fc.constant('?'),
      on,
      timeoutMs: fc.option(fc.integer({ min: 0, max: 1_000 })),
      assignees: fc.constant<string[]>([]),
      escalate: fc.array(fc.record({ afterMs: fc.nat({ max: 1_000 }), to: fc.constant('ops') }), { maxLength: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('run_blueprint' as const),
      blueprint: fc.constant('child'),
      version: fc.constant(1),
      start: fc.constant('s'),
      input: fc.constant({}),
      on,
      timeoutMs: fc.option(fc.integer({ min: 0, max: 1_000 })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('wait_for_event' as const),
      name: fc.constantFrom('paid', 'shipped'),
      on,
      timeoutMs: fc.option(fc.integer({ min: 0, max: 1_000 })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('sleep' as const), to: stateName, ms: fc.nat({ max: 1_000 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('sleep_until' as const),
      to: stateName,
      until: fc.integer({ min: startedAt - 10, max: startedAt + 10 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'undone' as const }) },
  {
    weight: 1,
    arbitrary: fc.constant({ kind: 'fail' as const, error: { code: 'FAILED', message: 'm' }, output: null }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('finish' as const), output: fc.constant(null) }) },
)

/** What happens next, as far as it can be said before the job is known: which task, how it came out. */
export interface Move {
  pick: number
  what:
    | 'answer'
    | 'lose'
    | 'old'
    | 'wake'
    | 'throw'
    | 'decide'
    | 'expire'
    | 'child'
    | 'cancel'
    | 'deadline'
    | 'progress'
    | 'escalate'
    | 'signal'
    | 'expire event'
    | 'wake up'
    | 'worker event'
    | 'result deadline'
    | 'pause'
    | 'resume'
    | 'update'
    | 'migrate'
  status: string
  code: string
  action: Action
  undo: string | null
}
export const move: fc.Arbitrary<Move> = fc.record({
  pick: fc.nat({ max: 9 }),
  what: fc.oneof(
    { weight: 12, arbitrary: fc.constant('answer' as const) },
    { weight: 4, arbitrary: fc.constantFrom('lose' as const, 'old' as const, 'wake' as const) },
    { weight: 4, arbitrary: fc.constantFrom('signal' as const, 'worker event' as const, 'result deadline' as const) },
    {
      weight: 5,
      arbitrary: fc.constantFrom(
        'pause' as const,
        'resume' as const,
        'resume' as const,
        'update' as const,
        'migrate' as const,
        'escalate' as const,
        'expire event' as const,
        'wake up' as const,
      ),
    },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        'throw' as const,
        'decide' as const,
        'expire' as const,
        'child' as const,
        'progress' as const,
      ),
    },
    { weight: 1, arbitrary: fc.constantFrom('cancel' as const, 'deadline' as const) },
  ),
  status: fc.constantFrom('success', 'success', 'failure', 'failure', 'cancelled', 'own', 'constructor'),
  code: fc.constantFrom('TRANSIENT_ERROR', 'TRANSIENT_ERROR', 'PERMANENT_ERROR', 'INVALID_INPUT_ERROR', 'toString'),
  action,
  undo: fc.option(stateName),
})
