/** Every action of a JSON blueprint is the DSL's own: what the engine gets is the same. */
import type { BlueprintDocument, JsonObject } from '@tutti/contracts'
import { expect, test } from 'vitest'
import type { Action } from '../src/blueprint/action.ts'
import type { HandlerContext } from '../src/blueprint/blueprint.ts'
import { handlerContext } from '../src/blueprint/context.ts'
import { jsonBlueprint } from '../src/index.ts'
import { fresh } from './core.ts'
import { answer, create, createFleet, takeOne } from './fleet.ts'

type Actions = HandlerContext<JsonObject, string, Record<string, unknown>>

const job = fresh({ input: { who: 'Ada', at: '2030-01-01T00:00:00Z', list: [1, 2, 3], gpu: 'A100' } })

const madeBy = async (action: object, rest: Partial<BlueprintDocument> = {}): Promise<Action> => {
  const targets = ['one', 'two', 'three']
  const blueprint = jsonBlueprint({
    format: 'tutti/v1',
    name: 'tested',
    states: {
      a: action,
      ...rest.states,
      // Leads everywhere, so that every end can be reached.
      other: {
        when: [
          { if: 'true', go_to: 'two' },
          { if: 'true', go_to: 'three' },
          { if: 'true', go_to: 'a' },
        ],
        go_to: 'one',
      },
    },
    ends: Object.fromEntries(targets.map((name) => [name, {}])),
    ...rest,
    start: 'other',
  } as BlueprintDocument)
  return (await blueprint.states.find(({ name }) => name === 'a')?.run?.(context())) as Action
}

const context = (): Actions =>
  handlerContext(job, {
    signal: new AbortController().signal,
    child: (_, input) => ({ version: 1, start: 's', input }),
    made: () => {},
  }) as Actions

test.each<[string, object, (to: Actions) => unknown]>([
  [
    'dispatch with everything',
    {
      dispatch: {
        skill: 'work.{{ input.who }}',
        params: { list: { $expr: 'input.list' } },
        on: { success: 'one', odd: 'two' },
        on_event: { stop: 'three' },
        timeout: '30s',
        retry: { attempts: 2, backoff: 'fixed', initial: '1s', max: 5_000, elsewhere: true, losses: 4 },
        priority: 5,
        concurrency_key: 'k-{{ input.who }}',
        concurrency_limit: 2,
        fair_key: '{{ job.id }}',
        pickup_timeout: '1m',
        result_timeout: '2m',
        needs: { devices: [{ type: 'gpu', model: '{{ input.gpu }}' }] },
        strategy: 'cheapest',
        max_cost: 0.5,
        sticky: true,
        avoid: 'other',
      },
    },
    (to) =>
      to.dispatch(
        'work.Ada',
        { list: [1, 2, 3] },
        {
          on: { success: 'one', odd: 'two' },
          onEvent: { stop: 'three' },
          timeout: '30s',
          retry: { attempts: 2, backoff: 'fixed', initial: '1s', max: 5_000, elsewhere: true, losses: 4 },
          priority: 5,
          concurrencyKey: 'k-Ada',
          concurrencyLimit: 2,
          fairKey: 'job',
          pickupTimeout: '1m',
          resultTimeout: '2m',
          needs: { devices: [{ type: 'gpu', model: 'A100' }] },
          strategy: 'cheapest',
          maxCost: 0.5,
          sticky: true,
          avoid: 'other',
        },
      ),
  ],
  ['go_to', { go_to: { to: 'one', data: { n: { $expr: 'size(input.list)' } } } }, (to) => to.goTo('one', { n: 3 })],
  [
    'approval',
    {
      approval: {
        message: 'Well, {{ input.who }}?',
        on: { yes: 'one', timeout: 'two' },
        timeout: '2d',
        assignees: ['{{ input.who }}'],
        escalate: [{ after: '1d', to: 'boss of {{ input.who }}' }],
      },
    },
    (to) =>
      to.approval({
        message: 'Well, Ada?',
        on: { yes: 'one', timeout: 'two' },
        timeout: '2d',
        assignees: ['Ada'],
        escalate: [{ after: '1d', to: 'boss of Ada' }],
      }),
  ],
  [
    'wait_for_event',
    { wait_for_event: { name: 'paid-{{ input.who }}', on: { event: 'one', timeout: 'two' }, timeout: '1h' } },
    (to) => to.waitForEvent({ name: 'paid-Ada', on: { event: 'one', timeout: 'two' }, timeout: '1h' }),
  ],
  ['sleep', { sleep: { for: '5m', to: 'one' } }, (to) => to.sleep('5m', { to: 'one' })],
  [
    'sleep until',
    { sleep: { until: { $expr: 'timestamp(input.at) + duration("1h")' }, to: 'one' } },
    (to) => to.sleepUntil(new Date('2030-01-01T01:00:00Z'), { to: 'one' }),
  ],
  [
    'run_blueprint',
    { run_blueprint: { name: 'child', input: { who: { $expr: 'input.who' } }, on: { success: 'one' }, timeout: '1h' } },
    (to) => to.runBlueprint('child', { who: 'Ada' }, { on: { success: 'one' }, timeout: '1h' }),
  ],
  [
    'parallel with a quorum',
    { parallel: { tasks: [{ skill: 'a' }, { skill: 'b' }], into: 'one', quorum: 1, concurrency: 2, fail_fast: true } },
    () => expect.objectContaining({ kind: 'parallel', quorum: 1, concurrency: 2, failFast: true, into: 'one' }),
  ],
  ['finish', { finish: { output: { $expr: 'input.list' } } }, (to) => to.finish([1, 2, 3])],
  ['fail', { fail: { message: 'no {{ input.who }}', code: 'NO' } }, (to) => to.fail('no Ada', 'NO')],
])('%s', async (_, action, same) => {
  expect(await madeBy(action)).toEqual(same(context()))
})

test('an instant that is none is a fault of the expression', async () => {
  await expect(madeBy({ sleep: { until: { $expr: 'input.who' }, to: 'one' } })).rejects.toMatchObject({
    code: 'EXPRESSION_FAILED',
  })
})

test('what was done is undone, by states of the document', async () => {
  const document: BlueprintDocument = {
    format: 'tutti/v1',
    name: 'paid',
    start: 'charge',
    states: {
      charge: { undo: 'refund', dispatch: { skill: 'work', on: { success: 'ship' } } },
      ship: { when: [{ if: 'false', go_to: 'done' }], fail: { message: 'out of stock' } },
    },
    undo: {
      refund: { dispatch: { skill: 'refund', params: { of: { $expr: 'data.charge' } }, on: { success: 'refunded' } } },
      refunded: { undone: {} },
    },
    ends: { done: {} },
  }
  const fleet = createFleet([jsonBlueprint(document)])
  const engine = fleet.engine()
  const { id } = await create(engine, 'paid')
  await answer(engine, await takeOne(engine), { data: { charge: 'c-1' } })
  const refund = await takeOne(engine, { skills: ['refund'] })
  expect(refund.task.params).toEqual({ of: 'c-1' })
  await answer(engine, refund)
  expect(await engine.job(id, null)).toMatchObject({ status: 'failed', error: { message: 'out of stock' } })
})
