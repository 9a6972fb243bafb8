/** Values of a document: JSON with expressions in it, compiled once and filled in for each job. */
import type { Json, JsonObject } from '@tutti/contracts'
import { BlueprintFault } from '../fault.ts'
import { TooLongError } from './bounded.ts'
import { compileExpression, type Expression, type Variables } from './expression.ts'

export interface DocumentFault {
  /** Where in the document: `states.fetch.dispatch.params.url`. */
  path: string
  fault: string
}

/** Collects the faults of a document, so that all are told at once. */
export interface Compiler {
  faults: DocumentFault[]
}

export type Filled<T> = (variables: Variables) => T

export const compileCondition = (compiler: Compiler, text: string, path: string, each = false): Filled<boolean> => {
  const expression = compile(compiler, text, path, each)
  if (expression && expression.type !== 'bool' && expression.type !== 'dyn')
    compiler.faults.push({ path, fault: `a condition is true or false, and this is ${expression.type}` })
  return (variables) => {
    const value = run(expression, path, variables)
    if (typeof value === 'boolean') return value
    throw new BlueprintFault(
      `the condition \`${text}\` at ${path} is ${JSON.stringify(value)}: it must be true or false`,
      'EXPRESSION_FAILED',
    )
  }
}

export const compileList = (compiler: Compiler, text: string, path: string): Filled<Json[]> => {
  const expression = compile(compiler, text, path, false)
  return (variables) => {
    const value = run(expression, path, variables)
    if (Array.isArray(value)) return value
    throw new BlueprintFault(`\`${text}\` at ${path} is not a list`, 'EXPRESSION_FAILED')
  }
}

/** Any JSON. An object whose only key is `$expr` is an expression, one whose only key is `$literal` stays as it is. */
export const compileValue = (compiler: Compiler, value: Json, path: string, each = false): Filled<Json> => {
  if (typeof value === 'string') return compileText(compiler, value, path, each)
  if (value === null || typeof value !== 'object') return () => value
  if (Array.isArray(value)) {
    const members = value.map((member, at) => compileValue(compiler, member, `${path}.${at}`, each))
    return (variables) => members.map((member) => member(variables))
  }
  const keys = Object.keys(value)
  if (keys.length === 1 && keys[0] === '$literal') return () => value.$literal ?? null
  if (keys.length === 1 && keys[0] === '$expr') {
    if (typeof value.$expr !== 'string') {
      compiler.faults.push({ path: `${path}.$expr`, fault: 'an expression is a text' })
      return () => null
    }
    const expression = compile(compiler, value.$expr, path, each)
    return (variables) => run(expression, path, variables)
  }
  const fields = keys.map((key) => [key, compileValue(compiler, value[key] ?? null, `${path}.${key}`, each)] as const)
  return (variables) => Object.fromEntries(fields.map(([key, field]) => [key, field(variables)]))
}

/** An object; what else a value may become is refused. */
export const compileObject = (compiler: Compiler, value: Json, path: string, each = false): Filled<JsonObject> => {
  const fill = compileValue(compiler, value, path, each)
  return (variables) => {
    const filled = fill(variables)
    if (filled !== null && typeof filled === 'object' && !Array.isArray(filled)) return filled
    throw new BlueprintFault(`the value at ${path} must be an object, and is ${kindOf(filled)}`, 'EXPRESSION_FAILED')
  }
}

/** A text with `{{ expressions }}`: texts stay as they are, everything else is put in as JSON. */
export const compileText = (compiler: Compiler, text: string, path: string, each = false): Filled<string> => {
  if (!text.includes('{{')) return () => text
  const parts: (string | Expression | undefined)[] = []
  let at = 0
  for (let open = text.indexOf('{{'); open !== -1; open = text.indexOf('{{', at)) {
    const close = text.indexOf('}}', open)
    if (close === -1) {
      compiler.faults.push({ path, fault: `"{{" at character ${open + 1} is not closed by "}}"` })
      return () => text
    }
    parts.push(text.slice(at, open), compile(compiler, text.slice(open + 2, close).trim(), path, each))
    at = close + 2
  }
  parts.push(text.slice(at))
  return (variables) =>
    parts
      .map((part) => {
        if (typeof part === 'string') return part
        const value = run(part, path, variables)
        return typeof value === 'string' ? value : JSON.stringify(value)
      })
      .join('')
}

const compile = (compiler: Compiler, text: string, path: string, each: boolean): Expression | undefined => {
  try {
    return compileExpression(text, each)
  } catch (error) {
    compiler.faults.push({ path, fault: `in \`${text}\`: ${(error as Error).message}` })
    return undefined
  }
}

/** Trying a failed expression again would only repeat it: the job ends, and says where. */
const run = (expression: Expression | undefined, path: string, variables: Variables): Json => {
  if (!expression) return null
  try {
    return expression.evaluate(variables)
  } catch (error) {
    if (error instanceof TooLongError) throw error
    throw new BlueprintFault(
      `the expression \`${expression.text}\` at ${path} failed: ${error instanceof Error ? error.message : error}`,
      'EXPRESSION_FAILED',
    )
  }
}

const kindOf = (value: Json): string => {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`
}
