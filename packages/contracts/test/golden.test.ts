import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { envelope, exportedFile } from '../src/index.ts'
import { type Golden, schemaOf, schemas, wires } from './golden.ts'

describe.each(wires)('%s', (_, messages) => {
  describe.each(messages)('$schema', ({ schema, accepted, refused }) => {
    test.each(accepted)('is accepted: $name', ({ given, parsed }) => {
      expect(schemaOf(schema).parse(given)).toStrictEqual(parsed ?? given)
    })
    test.each(refused)('is refused: $name', ({ given, path }) => {
      const { error } = schemaOf(schema).safeParse(given)
      expect(error?.issues[0]?.path).toEqual(path)
    })
  })
})

const all = wires.flatMap(([, messages]) => messages)

test('every schema that is exported has its examples, in one file only', () => {
  expect(all.map(({ schema }) => schema).sort()).toEqual([...schemas.keys()].sort())
  expect(all.filter(({ accepted }) => accepted.length === 0)).toEqual([])
})

test('every value of an enumeration, and every kind of a union, has an example', () => {
  expect(all.flatMap(withoutExample)).toEqual([])
})

test('the envelope holds any answer, or null', () => {
  const answer = envelope(z.array(exportedFile))
  expect(answer.parse({ code: 0, message: 'ok', data: [] })).toEqual({ code: 0, message: 'ok', data: [] })
  expect(answer.parse({ code: 0, message: 'ok', data: null })).toEqual({ code: 0, message: 'ok', data: null })
  expect(answer.safeParse({ code: 0, message: 'ok' }).error?.issues[0]?.path).toEqual(['data'])
  expect(answer.safeParse({ code: 0, message: 'ok', data: [{ path: 1 }] }).error?.issues[0]?.path).toEqual([
    'data',
    0,
    'path',
  ])
})

/** The values and kinds that a schema names itself and no accepted example shows. */
const withoutExample = ({ schema: name, accepted }: Golden): string[] => {
  const schema = schemaOf(name)
  if (schema instanceof z.ZodEnum)
    return schema.options.filter((option) => !accepted.some(({ given }) => given === option)).map(String)
  if (schema instanceof z.ZodUnion)
    return schema.options.flatMap((option, at) =>
      accepted.some(({ given }) => (option as z.ZodType).safeParse(given).success) ? [] : [`${name}, option ${at}`],
    )
  return []
}
