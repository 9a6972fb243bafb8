import { expect, it } from 'vitest'
import { seccompProgram } from './program.ts'

const EPERM = 1
const ENOSYS = 38
const EAFNOSUPPORT = 97

/** Runs the program as the kernel would, on one call: the error number it answers, 0 for none, 'kill'. */
function call(program: Buffer, audit: number, nr: number, args: number[] = []): number | 'kill' {
  const data = Buffer.alloc(64)
  data.writeUInt32LE(nr >>> 0, 0)
  data.writeUInt32LE(audit, 4)
  for (const [index, value] of args.entries()) data.writeUInt32LE(value >>> 0, 16 + index * 8)
  let a = 0
  for (let pc = 0; pc < program.length / 8; pc++) {
    const code = program.readUInt16LE(pc * 8)
    const [yes, no] = [program.readUInt8(pc * 8 + 2), program.readUInt8(pc * 8 + 3)]
    const k = program.readUInt32LE(pc * 8 + 4)
    if (code === 0x20) a = data.readUInt32LE(k)
    else if (code === 0x15) pc += a === k ? yes : no
    else if (code === 0x35) pc += a >= k ? yes : no
    else if (code === 0x45) pc += (a & k) !== 0 ? yes : no
    else if (code === 0x06) return k === 0x80000000 ? 'kill' : k === 0x7fff0000 ? 0 : k & 0xffff
    else throw new Error(`unknown instruction ${code}`)
  }
  throw new Error('the program has no end')
}

const X64 = 0xc000003e
const ARM64 = 0xc00000b7
const program = (machine: string, hidden = false) => {
  const made = seccompProgram(machine, hidden)
  if (made === undefined) throw new Error(`no program for ${machine}`)
  return made
}

it('ordinary-calls-pass', () => {
  for (const nr of [0, 1, 2, 59, 231]) expect(call(program('x64'), X64, nr)).toBe(0)
  for (const nr of [63, 64, 221, 93]) expect(call(program('arm64'), ARM64, nr)).toBe(0)
})

it('another-architectures-numbers-are-not-mistaken-for-ours', () => {
  expect(call(program('x64'), 0x40000003, 0)).toBe('kill')
  expect(call(program('x64'), ARM64, 0)).toBe('kill')
  expect(call(program('x64'), X64, 0x40000000 + 165)).toBe(ENOSYS)
})

it('new-namespaces-are-refused-and-threads-are-not', () => {
  const threads = 0x003d0f00
  for (const [machine, audit, clone, unshare] of [['x64', X64, 56, 272] as const, ['arm64', ARM64, 220, 97] as const]) {
    expect(call(program(machine), audit, clone, [threads])).toBe(0)
    expect(call(program(machine), audit, clone, [0x10000000 | 17])).toBe(EPERM)
    expect(call(program(machine), audit, unshare, [0x00020000])).toBe(EPERM)
    expect(call(program(machine), audit, 435)).toBe(ENOSYS)
  }
})

it('only-listed-socket-families-pass', () => {
  for (const family of [1, 2, 10, 16]) expect(call(program('x64'), X64, 41, [family])).toBe(0)
  for (const family of [17, 38, 40, 31]) expect(call(program('x64'), X64, 41, [family])).toBe(EAFNOSUPPORT)
})

it('mounts-keyrings-and-io-rings-are-refused', () => {
  for (const nr of [165, 166, 248, 250, 321, 425, 428]) expect(call(program('x64'), X64, nr)).toBe(EPERM)
  for (const nr of [40, 39, 217, 219, 280, 425, 428]) expect(call(program('arm64'), ARM64, nr)).toBe(EPERM)
  expect(call(program('x64'), X64, 16, [0, 0x5412])).toBe(EPERM)
  expect(call(program('x64'), X64, 16, [0, 0x5401])).toBe(0)
})

it('memory-that-no-process-shows-is-refused-only-where-it-would-go-uncounted', () => {
  expect(call(program('x64', false), X64, 319)).toBe(0)
  expect(call(program('x64', true), X64, 319)).toBe(ENOSYS)
  expect(call(program('x64', true), X64, 29)).toBe(ENOSYS)
})

it('an-unknown-machine-gets-no-program', () => {
  expect(seccompProgram('riscv64', true)).toBeUndefined()
})
