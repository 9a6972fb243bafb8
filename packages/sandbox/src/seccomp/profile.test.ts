import { expect, it } from 'vitest'
import { NEW_NAMESPACES, REFUSED, REFUSED_EVERYWHERE, SOCKET_FAMILIES } from './calls.ts'
import { seccompProfile } from './profile.ts'

interface Rule {
  names: string[]
  args?: { value: number; valueTwo?: number; op: string }[]
}

const { defaultAction, syscalls }: { defaultAction: string; syscalls: Rule[] } = JSON.parse(seccompProfile())
const rulesOf = (name: string) => syscalls.filter((rule) => rule.names.includes(name))

it('refuses-every-call-that-the-program-refuses', () => {
  expect(defaultAction).toBe('SCMP_ACT_ALLOW')
  for (const name of [...Object.keys(REFUSED_EVERYWHERE), ...Object.keys(REFUSED.x64), ...Object.keys(REFUSED.arm64)]) {
    expect(rulesOf(name), name).toEqual([expect.not.objectContaining({ args: expect.anything() })])
  }
})

it('each-kind-of-namespace-has-a-rule-of-its-own', () => {
  // One rule for all bits would refuse only who asks for all of them at once.
  const bits = rulesOf('clone').flatMap(({ args = [] }) => args.map(({ valueTwo = 0 }) => valueTwo))
  expect(bits.reduce((all, bit) => all | bit, 0)).toBe(NEW_NAMESPACES)
  expect(bits.every((bit) => (bit & (bit - 1)) === 0)).toBe(true)
})

it('only-known-socket-families-pass', () => {
  const refused = (family: number) =>
    rulesOf('socket').some(({ args = [] }) =>
      args.some(({ value, op }) => (op === 'SCMP_CMP_GT' ? family > value : family === value)),
    )
  const passing = Array.from({ length: 64 }, (_, family) => family).filter((family) => !refused(family))
  expect(passing).toEqual(SOCKET_FAMILIES)
})
