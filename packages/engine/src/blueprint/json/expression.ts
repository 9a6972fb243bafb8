/**
 * Expressions of JSON blueprints: CEL, the Common Expression Language, by an interpreter that makes no code. Only the functions that are
 * listed here exist, and an evaluation may take so many steps and make so much text and so many list members, no more.
 */

import { type ASTNode, Environment } from '@marcbachmann/cel-js'
import { blueprintLimits, type Json } from '@tutti/contracts'

export interface Expression {
  readonly text: string
  /** `dyn` where only a run can tell. */
  readonly type: string
  /** @throws ExpressionError */
  evaluate(variables: Variables): Json
}

export type Variables = Readonly<Record<string, unknown>>

export class ExpressionError extends Error {
  override readonly name = 'ExpressionError'
}

/** Variables that every expression sees. */
export const jobVariables = ['input', 'data', 'results', 'branches', 'last', 'client', 'job'] as const
/** And those of a task made for each member of a list. */
export const eachVariables = ['item', 'index'] as const

const maxSteps = 100_000
/** Characters and list members that an evaluation may make: about 30 MB at the worst. */
const maxMade = 4_000_000
/** `join` repeats it as often as there are members. */
const maxSeparator = 100

const functions = new Set(['size', 'string', 'int', 'double', 'bool', 'has', 'dyn', 'timestamp', 'duration'])
const methods = new Set([
  ...['size', 'contains', 'startsWith', 'endsWith', 'matches', 'lowerAscii', 'upperAscii', 'trim'],
  ...['indexOf', 'lastIndexOf', 'substring', 'split', 'join'],
  ...['all', 'exists', 'exists_one', 'map', 'filter'],
  ...['getFullYear', 'getMonth', 'getDate', 'getDayOfWeek', 'getHours', 'getMinutes', 'getSeconds', 'getMilliseconds'],
])

/** Compiles a text. @throws ExpressionError naming the fault and its column */
export const compileExpression = (text: string, each: boolean): Expression => {
  if (text.length > blueprintLimits.expression)
    throw new ExpressionError(`the expression is longer than ${blueprintLimits.expression} characters`)
  const { environment, evaluator } = each ? withEach : plain
  let parsed: ReturnType<Environment['parse']>
  try {
    parsed = environment.parse(text)
  } catch (error) {
    throw explained(error)
  }
  walk(parsed.ast, allow)
  const { valid, type, error } = parsed.check()
  if (!valid) throw explained(error)
  const receivers = new Map<ASTNode, Role>()
  walk(parsed.ast, (node) => markJoin(node, receivers))
  return {
    text,
    type: type ?? 'dyn',
    evaluate: (variables) => {
      const budget = { steps: 0, made: 0, roles: receivers, spent: null }
      evaluator.budget = budget
      try {
        const value: unknown = parsed(variables)
        // A quantifier swallows the errors of its members, this one too.
        if (budget.spent !== null) throw budget.spent
        return toJson(value)
      } catch (error) {
        throw explained(budget.spent ?? error)
      } finally {
        evaluator.budget = null
      }
    },
  }
}

interface Budget {
  steps: number
  made: number
  roles: Map<ASTNode, Role>
  spent: ExpressionError | null
}

type Role = 'joined' | 'separator'

/** The library's evaluator, as far as it is used: `run` evaluates every node but the outermost. */
interface Evaluator {
  run(node: ASTNode, context: unknown): unknown
}

interface Counted {
  environment: Environment
  evaluator: { budget: Budget | null }
}

/** An environment whose evaluator counts. The evaluator shows itself as `this` of a function. */
const counted = (environment: Environment): Counted => {
  let found: Evaluator | undefined
  environment.registerFunction(
    'evaluatorOfThis(): bool',
    function (this: unknown) {
      found = this as Evaluator
      return true
    },
    { async: false },
  )
  environment.evaluate('evaluatorOfThis()')
  if (!found) throw new Error('the expression library has changed: its evaluations can not be counted')
  const evaluator: Counted['evaluator'] = { budget: null }
  const run = found.run.bind(found)
  found.run = (node, context) => {
    const { budget } = evaluator
    if (budget) {
      budget.steps += 1
      if (budget.spent === null && budget.steps > maxSteps)
        budget.spent = new ExpressionError(`it takes more than ${maxSteps} steps`)
      if (budget.spent !== null) throw budget.spent
    }
    const value = run(node, context)
    if (budget) spend(budget, node, value)
    return value
  }
  return { environment, evaluator }
}

/** What an evaluation makes is counted where it is made; what it only reads was there before. */
const spend = (budget: Budget, node: ASTNode, value: unknown): void => {
  const role = budget.roles.get(node)
  if (role === 'separator' && typeof value === 'string' && value.length > maxSeparator)
    throw new ExpressionError(`a separator of join has at most ${maxSeparator} characters`)
  if (role === 'joined') budget.made += weight(value)
  else if (makes.has(node.op)) budget.made += weight(value)
  // Inside of `map` and `filter`: the list grows by one.
  else if ((node.op as string) === 'accuPush' && Array.isArray(value)) budget.made += 1 + weight(value.at(-1))
  if (budget.made <= maxMade) return
  budget.spent = new ExpressionError(`it makes more than ${maxMade} characters and list members`)
  throw budget.spent
}

const makes: ReadonlySet<string> = new Set(['+', 'list', 'call', 'rcall'])

const weight = (value: unknown): number => {
  if (typeof value === 'string') return value.length
  if (!Array.isArray(value)) return 1
  let sum = value.length
  for (const each of value) if (typeof each === 'string') sum += each.length
  return sum
}

const markJoin = (node: ASTNode, roles: Map<ASTNode, Role>): void => {
  if (node.op !== 'rcall' || node.args[0] !== 'join') return
  roles.set(node.args[1], 'joined')
  for (const separator of node.args[2]) roles.set(separator, 'separator')
}

const allow = (node: ASTNode): void => {
  if (node.op === 'call' && !functions.has(node.args[0])) throw unknown(node.args[0], 'function', functions, node)
  if (node.op === 'rcall' && !methods.has(node.args[0])) throw unknown(node.args[0], 'method', methods, node)
  if (node.op === 'value' && node.args instanceof Uint8Array)
    throw new ExpressionError(`there are no bytes here (column ${node.start + 1})`)
}

const unknown = (name: string, kind: string, known: Set<string>, node: ASTNode): ExpressionError =>
  new ExpressionError(
    `there is no ${kind} ${name} (column ${node.start + 1}); there are ${[...known].sort().join(', ')}`,
  )

const walk = (node: ASTNode, visit: (node: ASTNode) => void): void => {
  visit(node)
  const follow = (args: unknown): void => {
    if (Array.isArray(args)) for (const each of args) follow(each)
    else if (typeof args === 'object' && args !== null && 'op' in args) walk(args as ASTNode, visit)
  }
  follow(node.args)
}

/** The value as JSON, exactly or not at all. */
const toJson = (value: unknown): Json => {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'bigint') {
    if (Number.isSafeInteger(Number(value))) return Number(value)
    throw new ExpressionError(`${value} can't be written in JSON exactly: use string(…)`)
  }
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return value
    throw new ExpressionError(`${value} can't be written in JSON`)
  }
  if (Array.isArray(value)) return value.map(toJson)
  if (value instanceof Date) return value.toISOString()
  if (Object.prototype.toString.call(value) === '[object google.protobuf.Duration]') return String(value)
  if (typeof value === 'object' && (value.constructor === Object || value.constructor === undefined))
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toJson(inner)]))
  throw new ExpressionError('the value can not be written in JSON')
}

/** The library's message without its drawing, with the column. */
const explained = (error: unknown): ExpressionError => {
  if (error instanceof ExpressionError) return error
  if (!(error instanceof Error)) return new ExpressionError(String(error))
  const summary = 'summary' in error && typeof error.summary === 'string' ? error.summary : error.message
  const range = 'range' in error ? (error.range as { start: number } | undefined) : undefined
  return new ExpressionError(range ? `${summary} (column ${range.start + 1})` : summary, { cause: error })
}

/**
 * JSON has one kind of number, which CEL calls double; what is written in an expression without a point is an int. CEL itself does not
 * add the two: `input.pages + 1` would be an error.
 */
const mixed = {
  '+': (a: number, b: number) => a + b,
  '-': (a: number, b: number) => a - b,
  '*': (a: number, b: number) => a * b,
  '/': (a: number, b: number) => a / b,
  '%': (a: number, b: number) => a % b,
}

const environmentOf = (variables: readonly string[]): Environment => {
  const environment = new Environment({
    homogeneousAggregateLiterals: false,
    limits: { maxAstNodes: 1_000, maxDepth: 40, maxListElements: 200, maxMapEntries: 200, maxCallArguments: 8 },
  })
  for (const name of variables) environment.registerVariable(name, name === 'index' ? 'int' : 'dyn')
  for (const [sign, work] of Object.entries(mixed)) {
    const either = (a: number | bigint, b: number | bigint) => work(Number(a), Number(b))
    environment.registerOperator(`int ${sign} double: double`, either)
    environment.registerOperator(`double ${sign} int: double`, either)
    if (sign === '%') environment.registerOperator('double % double: double', either)
  }
  return environment
}

const plain = counted(environmentOf(jobVariables))
const withEach = counted(environmentOf([...jobVariables, ...eachVariables]))
