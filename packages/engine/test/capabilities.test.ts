/** What workers tell of themselves, in the words of both generations of the protocol, and in no sensible words at all. */
import type { JsonObject } from '@tutti/contracts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fits } from '../src/hand-out/fits.ts'
import { isWarm } from '../src/hand-out/strategy.ts'
import { queueName } from '../src/index.ts'
import { parseQueue } from '../src/job/needs.ts'
import { capabilitiesOf, conditionOf, skillsIn } from '../src/workers/capabilities.ts'

const read = (skills: string[], info: JsonObject) => capabilitiesOf({ skills, info })

test('the older words: gpu_info, installed_models, costs beside one another', () => {
  const has = read(['render', 'paint'], {
    supported_tasks: ['render', 'paint'],
    max_concurrent_tasks: 4,
    resources: { max_concurrent_tasks: 4, cpu_cores: 8, gpu_info: { model: 'NVIDIA RTX 4090', vram_gb: 24 } },
    installed_models: [{ name: 'sdxl', version: '1.0' }, { name: 'flux', version: 'unknown' }, 'llama'],
    installed_software: { blender: '4.2', cuda: 12 },
    cost_per_skill: { render: 0.5 },
    cost_per_second: 0.1,
  })
  expect(has.devices).toEqual([{ type: 'gpu', model: 'NVIDIA RTX 4090', id: null, properties: { vram_gb: 24 } }])
  expect(has.properties).toMatchObject({ cpu_cores: 8 })
  expect(has.artifacts).toEqual([
    { name: 'sdxl', version: '1.0', properties: {} },
    { name: 'flux', version: null, properties: {} },
    { name: 'llama', version: null, properties: {} },
  ])
  expect(has.software).toEqual({ blender: '4.2', cuda: '12' })
  expect([has.offers.render?.price, has.offers.paint?.price]).toEqual([0.5, 0.1])
})

test('the newer words: devices, artifacts, skills as objects, available_skills, capabilities', () => {
  const has = read(['render', 'paint'], {
    supported_skills: [
      { name: 'render', version: '2.1', type: 'batch', properties: { formats: ['png', 'exr'] } },
      'paint',
    ],
    available_skills: ['render'],
    resources: {
      devices: [{ type: 'gpu', model: 'A100', id: 'gpu-0', properties: { vram_gb: 80 }, metrics: { load: 3 } }],
      properties: { cpu_cores: 64, ram_gb: 512 },
    },
    installed_artifacts: [{ name: 'sdxl', version: '1.0', type: 'model', properties: { precision: 'fp16' } }],
    labels: { region: 'eu', tier: 1, spot: false },
    capabilities: { cost_per_skill: { render: 2 }, cost: 9, extra: { websockets: true } },
  })
  expect(Object.keys(has.offers)).toEqual(['render'])
  expect(has.offers.render).toEqual({
    version: '2.1',
    type: 'batch',
    properties: { formats: ['png', 'exr'] },
    price: 2,
  })
  expect(has.devices).toEqual([{ type: 'gpu', model: 'A100', id: 'gpu-0', properties: { vram_gb: 80 } }])
  expect(has.properties).toEqual({ cpu_cores: 64, ram_gb: 512 })
  expect(has.artifacts).toEqual([{ name: 'sdxl', version: '1.0', properties: { type: 'model', precision: 'fp16' } }])
  expect(has.labels).toEqual({ region: 'eu', tier: '1', spot: 'false' })
  expect(has.extra).toEqual({ websockets: true })
})

test('skills named like parts of objects are skills like any other', () => {
  const has = read(['constructor', '__proto__', 'toString'], { cost_per_skill: { a: 1 } })
  expect(Object.keys(has.offers).sort()).toEqual(['__proto__', 'constructor', 'toString'])
  expect(Object.values(has.offers).map((offer) => offer.price)).toEqual([null, null, null])
  expect(fits(parseQueue('valueOf'), has)).toBe(false)
  expect(fits(parseQueue('constructor'), has)).toBe(true)
})

test('what changes from heartbeat to heartbeat: status, load, what is hot', () => {
  const condition = conditionOf({
    info: {
      status: 'draining',
      load: 3,
      hot_cache: ['sdxl', 'vae'],
      hot_skills: ['paint'],
      skill_dependencies: { render: ['sdxl', 'vae'], upscale: ['esrgan'] },
    },
  })
  expect(condition).toMatchObject({ leaving: true, load: 3 })
  const warm = (skill: string, artifacts: string[] = []) =>
    isWarm(
      parseQueue(queueName({ skill, needs: { artifacts: artifacts.map((name) => ({ name })) }, strategy: 'default' })),
      condition,
    )
  expect([warm('paint'), warm('render'), warm('upscale'), warm('other')]).toEqual([true, true, false, false])
  expect([warm('other', ['sdxl', 'vae']), warm('other', ['sdxl', 'esrgan'])]).toEqual([true, false])
  expect(conditionOf({ info: { current_tasks: ['a', 'b'] } }).load).toBe(2)
})

test('skills are read from either list, from names or objects; words that say nothing of skills change none', () => {
  expect(skillsIn({ supported_skills: ['a', { name: 'b' }, 'a', { title: 'c' }, 7, null] })).toEqual(['a', 'b'])
  expect(skillsIn({ supported_tasks: [] })).toEqual([])
  expect(skillsIn({ load: 1 })).toBeUndefined()
  expect(skillsIn({ supported_skills: 'all' })).toBeUndefined()
})

test('no words whatever make reading or matching throw', () => {
  const keys = fc.constantFrom(
    'resources',
    'devices',
    'gpu_info',
    'properties',
    'installed_artifacts',
    'installed_models',
    'installed_software',
    'capabilities',
    'cost_per_skill',
    'cost',
    'labels',
    'supported_skills',
    'available_skills',
    'skill_dependencies',
    'hot_cache',
    'load',
    'extra',
    'name',
    '__proto__',
  )
  const garbage = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.jsonValue({ maxDepth: 1 }),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(keys, tie('value'), { maxKeys: 4 }),
    ),
  })).value
  const queue = parseQueue(
    queueName({
      skill: 'a',
      needs: {
        devices: [{ type: 'gpu', model: 'a', properties: { b: [1, 'x'] } }],
        properties: { cpu_cores: 1 },
        artifacts: [{ name: 'x', version: '1', properties: { p: true } }],
        software: { s: 'any' },
        labels: { l: '1' },
        skill: { version: '1', properties: { q: 'y' } },
        extra: { e: { deep: [1] } },
        maxCost: 1,
      },
      strategy: 'default',
    }),
  )
  fc.assert(
    fc.property(fc.dictionary(keys, garbage), (info) => {
      const told = info as JsonObject
      const has = read(['a'], told)
      expect(typeof fits(queue, has)).toBe('boolean')
      expect(typeof isWarm(queue, conditionOf({ info: told }))).toBe('boolean')
      for (const { price } of Object.values(has.offers)) expect(price === null || price >= 0).toBe(true)
      skillsIn(told)
    }),
    { numRuns: 500 },
  )
})
