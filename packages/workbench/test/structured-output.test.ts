/** Answers in a shape that was asked for: what a sandbox says of them is checked outside of it. */
import { agentRunParams, createTask } from '@tutti/contracts'
import { blueprint } from '@tutti/engine'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { createStage, finishOf, type Stage, user } from './support/stage.ts'

const review = blueprint({ name: 'review' })
  .state('judge', { start: true, to: ['done'] }, ({ agent }) =>
    agent({ prompt: 'judge', output: z.object({ score: z.number().max(10) }), on: { success: 'done' } }),
  )
  .end('done', ({ data }) => data.output)
const broken = blueprint({ name: 'broken' })
  .state('judge', { start: true, to: ['done'] }, ({ agent }) =>
    agent({ prompt: 'judge', output: { type: 'number-like' }, on: { success: 'done' } }),
  )
  .end('done')

let stage: Stage
beforeAll(async () => {
  stage = await createStage([review, broken])
})
afterAll(() => stage.close())

const begin = async (name: string): Promise<string> =>
  (await stage.engine.create([{ blueprint: name, client: user, input: {} }]))[0]?.id ?? ''
const ended = async (id: string) =>
  vi.waitFor(async () => {
    const job = await stage.engine.job(id, null)
    expect(job.finishedAt).not.toBeNull()
    return job
  })

test('an-answer-that-fits-is-the-output-of-the-agent', async () => {
  const id = await begin('review')
  const run = await stage.claim()
  expect(run.options.output_schema).toEqual({
    ...{ type: 'object', properties: { score: { type: 'number', maximum: 10 } }, required: ['score'] },
  })
  expect(agentRunParams.safeParse({ prompt: 'x', config: { output_schema: run.options.output_schema } }).success).toBe(
    true,
  )
  await stage.workbench.finishRun(run.run_id, finishOf(run, { output: { score: 7 } }))
  expect(await ended(id)).toMatchObject({ status: 'finished', output: { score: 7 } })
})

test.each([
  ['in another shape', { score: 11 }, /output\.score/],
  ['without a shape', undefined, /no structured answer/],
])('an-answer-%s-fails-the-run-and-says-where', async (_, output, where) => {
  const id = await begin('review')
  const run = await stage.claim()
  await stage.workbench.finishRun(run.run_id, finishOf(run, output === undefined ? {} : { output }))
  const { status, error } = await ended(id)
  expect([status, error?.message]).toEqual(['quarantined', expect.stringMatching(where)])
  expect(error?.message).toContain('OUTPUT_INVALID')
  expect(await stage.workbench.run(user, run.run_id)).toMatchObject({ status: 'failed' })
})

test('a-schema-that-says-nothing-is-refused-before-anything-is-paid-for', async () => {
  const sent = createTask.parse({ prompt: 'x', config: { output_schema: { properties: { a: { type: 'text' } } } } })
  await expect(stage.workbench.createTask(user, sent)).rejects.toThrow(
    expect.objectContaining({ code: 'INVALID_BODY', path: 'body.config.output_schema.properties.a.type' }),
  )
  const config = { output_schema: { type: 'object', properties: { a: { type: 'text' } } } }
  const refused = { code: 'INVALID_BODY', path: 'body.config.output_schema.properties.a.type' }
  await expect(stage.workbench.createSession(user, { config })).rejects.toMatchObject(refused)
  const { session_id } = await stage.workbench.createSession(user, {})
  await expect(stage.workbench.patchSession(user, session_id, { config })).rejects.toMatchObject(refused)
  const id = await begin('broken')
  expect(await stage.tryClaim()).toBeNull()
  expect((await ended(id)).error?.message).toContain('params.config.output_schema.type')
})
