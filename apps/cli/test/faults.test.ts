import { TuttiApiError } from '@tutti/client'
import { ConfigError } from '@tutti/config'
import { BlueprintError } from '@tutti/engine'
import { NoSandboxError } from '@tutti/executor-manager'
import { SandboxError } from '@tutti/sandbox'
import { SchemaVersionError } from '@tutti/stores'
import { BuiltInPostgresError } from '@tutti/stores/built-in-postgres'
import { WorkerRejectedError } from '@tutti/worker'
import { expect, test } from 'vitest'
import { NotRunningError } from '../src/connect.ts'
import { DemoError } from '../src/demo/fault.ts'
import { exitCodeOf, explain, UsageError } from '../src/faults.ts'
import { DataDirError } from '../src/stack/data-dir.ts'
import { PortError } from '../src/stack/ports.ts'
import { InterruptedError } from '../src/stop-signals.ts'

const said = 'what is wrong, and what to do'
const fault = { source: 'clients.toml', line: 3, what: 'no token', remedy: 'Give it one.' }
const request = { method: 'GET', url: 'http://localhost/x' }
const api = { code: 'INVALID_BODY', status: 400, retryable: false, hint: 'Correct it.', path: 'body.x', request }

test.each<[Error, number, string]>([
  [new UsageError(said), 2, said],
  [new DataDirError(said), 2, said],
  [new PortError(said), 2, said],
  [new ConfigError([fault]), 2, 'clients.toml:3  no token  → Give it one.'],
  [new BlueprintError(said), 2, said],
  [new SchemaVersionError(said), 2, said],
  [new NoSandboxError(said), 3, said],
  [new SandboxError('no bwrap', 'install it'), 3, 'no bwrap (install it)'],
  [new BuiltInPostgresError(said), 3, said],
  [new NotRunningError(said), 1, said],
  [new DemoError(said), 1, said],
  [new WorkerRejectedError(401, said), 1, said],
  [new TuttiApiError('no', api), 1, 'no (INVALID_BODY, body.x)\n→ Correct it.'],
  [new InterruptedError('interrupted'), 130, 'interrupted'],
])('%s is told in its own words, without a stack', (error, code, text) => {
  expect([exitCodeOf(error), explain(error)]).toEqual([code, text])
})

test('a file or a folder that can’t be used is told without a stack', () => {
  const error = Object.assign(new Error("ENOSPC: no space left, open '/x'"), { code: 'ENOSPC', syscall: 'open' })
  expect([exitCodeOf(error), explain(error)]).toEqual([1, error.message])
})

const refused = (address: string): Error =>
  Object.assign(new Error(`connect ECONNREFUSED ${address}`), { code: 'ECONNREFUSED', syscall: 'connect' })

test.each<[string, Error, string]>([
  ['is not there', refused('127.0.0.1:1'), 'connect ECONNREFUSED 127.0.0.1:1'],
  [
    'is not there, under two addresses',
    new AggregateError([refused('::1:1'), refused('127.0.0.1:1')]),
    'connect ECONNREFUSED ::1:1; connect ECONNREFUSED 127.0.0.1:1',
  ],
  [
    'lets nobody in',
    Object.assign(new Error('password authentication failed'), { code: '28P01', severity: 'FATAL' }),
    'password authentication failed',
  ],
])('a database that %s: the variable to look at', (_, error, reason) => {
  expect(explain(error)).toBe(
    `the database can't be used: ${reason}\n→ Check DATABASE_URL, and that its server runs and lets you in.`,
  )
  expect(exitCodeOf(error)).toBe(3)
})

test.each([
  new TypeError('undefined is not a function'),
  new AggregateError([new Error('a')], 'several'),
  Object.assign(new Error('syntax error at or near'), { code: '42601', severity: 'ERROR' }),
])('%s is a bug: it is told with its stack', (error) => {
  expect([exitCodeOf(error), explain(error)]).toEqual([1, error.stack])
})

test('what is no error at all is told as it is', () => {
  expect([exitCodeOf('odd'), explain('odd')]).toEqual([1, 'odd'])
})
