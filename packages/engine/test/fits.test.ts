/** Which worker fits which needs, and in what words it is said why not. */
import type { JsonObject } from '@tutti/contracts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { firstUnmet } from '../src/hand-out/devices.ts'
import { fits, whyUnfit } from '../src/hand-out/fits.ts'
import type { DeviceNeed, Needs } from '../src/index.ts'
import { capabilitiesOf, type Device } from '../src/workers/capabilities.ts'

const worker = (info: JsonObject, skills = ['work']) => capabilitiesOf({ skills, info })
const why = (needs: Needs, info: JsonObject): string | null =>
  whyUnfit({ skill: 'work', needs, strategy: 'default' }, worker(info))

const cases: [name: string, needs: Needs, fitting: JsonObject, unfit: JsonObject, reason: RegExp][] = [
  ['no needs', {}, {}, { available_skills: [] }, /does not offer the skill work/],
  [
    'a device by type',
    { devices: [{ type: 'gpu' }] },
    { resources: { devices: [{ type: 'gpu' }] } },
    { resources: { devices: [{ type: 'tpu' }] } },
    /no device with type "gpu"/,
  ],
  [
    'a part of the model, in any case',
    { devices: [{ model: 'rtx 40' }] },
    { resources: { gpu_info: { model: 'NVIDIA RTX 4090' } } },
    { resources: { gpu_info: { model: 'RTX 3090' } } },
    /model "rtx 40"/,
  ],
  [
    'a device by id',
    { devices: [{ id: 'gpu-1' }] },
    { resources: { devices: [{ id: 'gpu-1' }] } },
    { resources: { devices: [{ id: 'gpu-10' }] } },
    /id "gpu-1"/,
  ],
  [
    'at least so much memory',
    { devices: [{ properties: { vram_gb: 24 } }] },
    { resources: { gpu_info: { vram_gb: 24 } } },
    { resources: { gpu_info: { vram_gb: 23.9 } } },
    /vram_gb 24/,
  ],
  [
    'a number is not met by a text',
    { properties: { ram_gb: 8 } },
    { resources: { ram_gb: 16 } },
    { resources: { ram_gb: '16' } },
    /has ram_gb "16", wanted is 8/,
  ],
  [
    'properties of the worker',
    { properties: { cpu_cores: 8 } },
    { resources: { properties: { cpu_cores: 8 } } },
    { resources: { cpu_cores: 4 } },
    /has cpu_cores 4, wanted is 8/,
  ],
  [
    'a property that nobody told of',
    { properties: { zone: 'a' } },
    { resources: { properties: { zone: 'a' } } },
    {},
    /has zone unknown/,
  ],
  [
    'any of a list',
    { properties: { arch: ['arm64', 'x64'] } },
    { resources: { arch: 'x64' } },
    { resources: { arch: 'mips' } },
    /arch/,
  ],
  [
    'a list that shares a member',
    { properties: { features: ['avx2', 'amx'] } },
    { resources: { features: ['sse', 'amx'] } },
    { resources: { features: ['sse'] } },
    /features/,
  ],
  [
    'one of what the worker lists',
    { properties: { features: 'amx' } },
    { resources: { features: ['sse', 'amx'] } },
    { resources: { features: ['sse'] } },
    /features/,
  ],
  [
    'truth is equal',
    { properties: { ecc: true } },
    { resources: { ecc: true } },
    { resources: { ecc: 'true' } },
    /ecc/,
  ],
  [
    'an artifact in whichever version',
    { artifacts: [{ name: 'sdxl', version: 'unknown' }] },
    { installed_models: ['sdxl'] },
    { installed_models: ['flux'] },
    /has no artifact sdxl/,
  ],
  [
    'an artifact in one version',
    { artifacts: [{ name: 'sdxl', version: '1' }] },
    {
      installed_artifacts: [
        { name: 'sdxl', version: '2' },
        { name: 'sdxl', version: '1' },
      ],
    },
    { installed_artifacts: [{ name: 'sdxl' }] },
    /sdxl in another version/,
  ],
  [
    'an artifact with properties',
    { artifacts: [{ name: 'm', properties: { precision: 'fp16' } }] },
    { installed_artifacts: [{ name: 'm', properties: { precision: 'fp16' } }] },
    { installed_artifacts: [{ name: 'm', properties: { precision: 'fp8' } }] },
    /other properties/,
  ],
  [
    'software',
    { software: { ffmpeg: 'any' } },
    { installed_software: { ffmpeg: '7' } },
    { installed_software: {} },
    /has no ffmpeg installed/,
  ],
  [
    'software in one version',
    { software: { ffmpeg: '7' } },
    { installed_software: { ffmpeg: '7' } },
    { installed_software: { ffmpeg: '7.1' } },
    /has ffmpeg 7.1, not 7/,
  ],
  [
    'labels',
    { labels: { region: 'eu' } },
    { labels: { region: 'eu' } },
    { labels: { region: 'us' } },
    /not labelled region: eu/,
  ],
  [
    'the version of the skill',
    { skill: { version: '2' } },
    { supported_skills: [{ name: 'work', version: '2' }] },
    { supported_skills: ['work'] },
    /version unknown, not 2/,
  ],
  [
    'the type of the skill',
    { skill: { type: 'batch' } },
    { supported_skills: [{ name: 'work', type: 'batch' }] },
    { supported_skills: [{ name: 'work', type: 'live' }] },
    /type live, not batch/,
  ],
  [
    'properties of the skill',
    { skill: { properties: { formats: ['exr'] } } },
    { supported_skills: [{ name: 'work', properties: { formats: ['png', 'exr'] } }] },
    { supported_skills: [{ name: 'work', properties: { formats: ['png'] } }] },
    /another formats/,
  ],
  [
    'extra is equal to the last leaf',
    { extra: { rack: { row: 1, at: ['a'] } } },
    { capabilities: { extra: { rack: { at: ['a'], row: 1 } } } },
    { capabilities: { extra: { rack: { row: 1 } } } },
    /another rack/,
  ],
  [
    'a price that is paid',
    { maxCost: 2 },
    { cost_per_skill: { work: 2 } },
    { cost_per_skill: { work: 2.01 } },
    /takes 2.01 for work/,
  ],
  [
    'the price of the skill goes before the general one',
    { maxCost: 2 },
    { cost_per_skill: { work: 1 }, cost_per_second: 9 },
    { cost_per_skill: { other: 1 }, cost_per_second: 9 },
    /takes 9/,
  ],
  ['who names no price can not be held to one', { maxCost: 2 }, { cost: 0 }, {}, /names no price/],
]

for (const [name, needs, fitting, unfit, reason] of cases)
  test(name, () => {
    expect(why(needs, fitting)).toBeNull()
    expect(why(needs, unfit)).toMatch(reason)
  })

test('devices are given one to one: the first that comes would take the one that the next need asks for by name', () => {
  const big = { type: 'gpu', model: 'A100' }
  const small = { type: 'gpu', model: 'T4' }
  const needs = { devices: [{ type: 'gpu' }, { model: 'a100' }] }
  expect(why(needs, { resources: { devices: [big, small] } })).toBeNull()
  expect(why(needs, { resources: { devices: [small, big] } })).toBeNull()
  expect(why(needs, { resources: { devices: [big] } })).toMatch(/free 2\. device with model "a100"/)
  expect(why({ devices: [{ type: 'gpu' }, { type: 'gpu' }] }, { resources: { devices: [big] } })).not.toBeNull()
})

test('devices are matched whenever any way of giving them out exists', () => {
  const kinds = ['a', 'b', 'c']
  const need: fc.Arbitrary<DeviceNeed> = fc.record(
    { type: fc.constantFrom(...kinds), properties: fc.record({ n: fc.integer({ min: 0, max: 2 }) }) },
    { requiredKeys: [] },
  )
  const device: fc.Arbitrary<Device> = fc.record({
    type: fc.constantFrom(...kinds),
    model: fc.constant(null),
    id: fc.constant(null),
    properties: fc.record({ n: fc.integer({ min: 0, max: 2 }) }),
  })
  const possible = (needs: DeviceNeed[], devices: Device[]): boolean => {
    const [first, ...rest] = needs
    if (!first) return true
    return devices.some(
      (one, at) =>
        firstUnmet([first], [one]) === -1 &&
        possible(
          rest,
          devices.filter((_, other) => other !== at),
        ),
    )
  }
  fc.assert(
    fc.property(fc.array(need, { maxLength: 4 }), fc.array(device, { maxLength: 5 }), (needs, devices) => {
      expect(firstUnmet(needs, devices) === -1).toBe(possible(needs, devices))
    }),
    { numRuns: 1_000 },
  )
})

test('whoever fits a need still fits with more of everything', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 9 }),
      fc.integer({ min: 0, max: 9 }),
      fc.integer({ min: 0, max: 9 }),
      (wanted, has, more) => {
        const queue = { skill: 'work', needs: { properties: { n: wanted } }, strategy: 'default' } as const
        const before = fits(queue, worker({ resources: { n: has } }))
        const after = fits(queue, worker({ resources: { n: has + more, other: 1 }, labels: { a: 'b' } }))
        expect(before && !after).toBe(false)
      },
    ),
  )
})
