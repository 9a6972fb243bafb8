/** JSON Schema as a Check, by an interpreter. Draft 2020-12; `default` is a remark there, and nothing is filled in. */
import { type Schema, Validator } from '@cfworker/json-schema'
import type { Json, JsonObject } from '@tutti/contracts'
import type { Check } from '../check.ts'
import { bounded, TooLongError } from './bounded.ts'
import type { Compiler, DocumentFault } from './template.ts'

/** Longest time of one check: a pattern can be made to take for ever. */
const limitMs = 100

export const jsonSchemaCheck = (compiler: Compiler, schema: JsonObject, path: string): Check => {
  const faults = compiler.faults.length
  schemaFaults(compiler, schema, schema, path)
  if (compiler.faults.length > faults) return { check: (value) => ({ value }), jsonSchema: schema }
  // The library writes to what it is given.
  const validator = new Validator(structuredClone(schema) as Schema, '2020-12', false)
  return {
    jsonSchema: schema,
    check: (value) => {
      try {
        const { valid, errors } = bounded(() => validator.validate(value), limitMs)
        if (valid) return { value }
        // The last one is where the fault really is; those before say that what holds it is faulty, too.
        const deepest = errors.reduce((a, b) => (depth(b.instanceLocation) >= depth(a.instanceLocation) ? b : a))
        return { fault: deepest.error.replace(/\.$/, ''), path: pathOf(deepest.instanceLocation) }
      } catch (error) {
        const reason = error instanceof TooLongError ? error.message : String((error as Error).message)
        return { fault: `the schema can't be applied: ${reason}`, path: [] }
      }
    },
  }
}

/** A schema that stands alone, such as one that a worker declares. */
export const schemaCheck = (schema: JsonObject): Check | { faults: DocumentFault[] } => {
  const compiler: Compiler = { faults: [] }
  const check = jsonSchemaCheck(compiler, schema, 'schema')
  return compiler.faults.length > 0 ? { faults: compiler.faults } : check
}

const depth = (pointer: string): number => pointer.split('/').length

const pathOf = (pointer: string): string[] =>
  pointer
    .replace(/^#\/?/, '')
    .split('/')
    .filter((part) => part !== '')
    .map((part) => unescaped(part).replaceAll('~1', '/').replaceAll('~0', '~'))

const unescaped = (part: string): string => {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

const types = ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string']
const one = [
  'not',
  'if',
  'then',
  'else',
  'items',
  'contains',
  'additionalProperties',
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties',
]
const many = ['allOf', 'anyOf', 'oneOf', 'prefixItems']
const named = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']
const numbers = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf']
const counts = [
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'minContains',
  'maxContains',
]

/** What can be told of a schema before anything is checked by it. */
const schemaFaults = (compiler: Compiler, root: JsonObject, schema: Json, path: string): void => {
  const fault = (key: string, text: string): void => {
    compiler.faults.push({ path: `${path}.${key}`, fault: text })
  }
  if (typeof schema === 'boolean') return
  if (!isObject(schema)) return void compiler.faults.push({ path, fault: 'a schema is an object, true or false' })
  const { type, required, pattern, $ref } = schema
  for (const each of Array.isArray(type) ? type : [type])
    if (each !== undefined && !types.includes(each as string)) fault('type', `a type is one of ${types.join(', ')}`)
  if (required !== undefined && !(Array.isArray(required) && required.every((each) => typeof each === 'string')))
    fault('required', 'a list of names')
  if (schema.enum !== undefined && !Array.isArray(schema.enum)) fault('enum', 'a list of values')
  for (const key of numbers) if (schema[key] !== undefined && typeof schema[key] !== 'number') fault(key, 'a number')
  for (const key of counts)
    if (schema[key] !== undefined && !(Number.isInteger(schema[key]) && Number(schema[key]) >= 0))
      fault(key, 'a whole number from 0')
  if (pattern !== undefined) patternFault(pattern, (text) => fault('pattern', text))
  if ($ref !== undefined && !resolves(root, $ref))
    fault('$ref', 'only references inside of this schema, such as #/$defs/name, to what is there')
  for (const key of one) if (schema[key] !== undefined) schemaFaults(compiler, root, schema[key], `${path}.${key}`)
  for (const key of many) {
    const list = schema[key]
    if (list === undefined) continue
    if (!Array.isArray(list)) fault(key, 'a list of schemas')
    else for (const [at, each] of list.entries()) schemaFaults(compiler, root, each, `${path}.${key}.${at}`)
  }
  for (const key of named) {
    const map = schema[key]
    if (map === undefined) continue
    if (!isObject(map)) fault(key, 'an object of schemas')
    else
      for (const [name, each] of Object.entries(map)) {
        if (key === 'patternProperties') patternFault(name, (text) => fault(`${key}.${name}`, text))
        schemaFaults(compiler, root, each, `${path}.${key}.${name}`)
      }
  }
}

const patternFault = (pattern: Json, tell: (fault: string) => void): void => {
  try {
    new RegExp(String(pattern), 'u')
    if (typeof pattern !== 'string') tell('a regular expression')
  } catch (error) {
    tell((error as Error).message)
  }
}

const resolves = (root: JsonObject, ref: Json): boolean => {
  if (ref === '#') return true
  if (typeof ref !== 'string' || !ref.startsWith('#/')) return false
  let at: Json | undefined = root
  for (const part of pathOf(ref)) {
    if (at === null || typeof at !== 'object') return false
    at = Object.hasOwn(at, part) ? (at as JsonObject)[part] : undefined
  }
  return at !== undefined
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
