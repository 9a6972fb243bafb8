import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { hashToken, readWorkers } from '../src/index.ts'

const read = (text: string) => readWorkers({ text, name: 'workers.toml' })

describe('workers.toml', () => {
  it('gives each worker its hash and description', () => {
    expect(read('[gpu-01]\ntoken = "a"\ndescription = "Renders"\n[cpu-01]\ntoken = "b"\n').workers).toEqual([
      { id: 'gpu-01', tokenHash: hashToken('a'), secret: null, description: 'Renders' },
      { id: 'cpu-01', tokenHash: hashToken('b'), secret: null, description: '' },
    ])
  })

  it('refuses unknown fields, missing tokens and wrong types, all at once', () => {
    const text = '[a]\ntoken = "t"\nskills = ["x"]\n[b]\ndescription = 5\n[c]\ntoken = "t"\n'
    expect(read(text).faults?.map(({ line, what }) => [line, what])).toEqual([
      [3, '[a] has an unknown field “skills”'],
      [4, '[b] has no token'],
      [5, 'the description of [b] is not a string'],
      [7, '[c] has the same token as [a]'],
    ])
  })

  it('takes a hash instead of the token, in either case, and never both', () => {
    const hash = hashToken('a')
    expect(read(`[x]\ntoken_sha256 = "${hash.toUpperCase()}"\n`).workers?.[0]?.tokenHash).toBe(hash)
    expect(read('[x]\ntoken_sha256 = "abc"\n').faults).toMatchObject([
      { line: 2, what: expect.stringContaining('not a SHA-256') },
    ])
    expect(read(`[x]\ntoken = "a"\ntoken_sha256 = "${hash}"\n`).faults).toMatchObject([
      { line: 3, what: expect.stringContaining('both') },
    ])
    expect(read(`[x]\ntoken = "a"\n[y]\ntoken_sha256 = "${hash}"\n`).faults).toMatchObject([
      { what: expect.stringContaining('same token') },
    ])
  })

  it('names the field that was meant', () => {
    expect(read('[x]\ntokn = "a"\n').faults).toMatchObject([{ line: 1 }, { line: 2, remedy: 'Did you mean token?' }])
  })

  it('that does not exist is a fault, not an empty list', () => {
    const path = join(tmpdir(), 'tutti-no-such-folder', 'workers.toml')
    expect(readWorkers({ path }).faults).toMatchObject([{ source: path, what: 'the file does not exist' }])
  })

  it('that is a folder, or not UTF-8, is a fault', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tutti-config-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const latin = join(folder, 'latin.toml')
    writeFileSync(latin, Buffer.from('[a]\ntoken = "n\xe9"\n', 'latin1'))
    expect(readWorkers({ path: folder }).faults?.[0]?.what).toContain('can’t be read (EISDIR)')
    expect(readWorkers({ path: latin }).faults?.[0]?.what).toBe('the file is not UTF-8')
  })
})
