import { describe, expect, test } from 'vitest'
import {
  type ErrorCode,
  errorBody,
  errorCatalogue,
  isTerminal,
  jobStatus,
  TuttiError,
  terminalStatuses,
} from '../src/index.ts'

/** Codes are API: this list is written down a second time, so that none changes its meaning unnoticed. */
const promised: Record<ErrorCode, [status: number, retryable: boolean]> = {
  INVALID_BODY: [400, false],
  INVALID_REQUEST: [400, false],
  INVALID_QUERY: [400, false],
  INVALID_CONFIG: [400, false],
  INVALID_DECISION: [400, false],
  UNAUTHENTICATED: [401, false],
  BUDGET_EXCEEDED: [402, false],
  FORBIDDEN: [403, false],
  INVALID_SIGNATURE: [403, false],
  FILE_DENIED: [403, false],
  WORKER_MISMATCH: [403, false],
  NOT_FOUND: [404, false],
  JOB_NOT_FOUND: [404, false],
  BLUEPRINT_NOT_FOUND: [404, false],
  WORKER_NOT_FOUND: [404, false],
  SESSION_NOT_FOUND: [404, false],
  RUN_NOT_FOUND: [404, false],
  SNAPSHOT_NOT_FOUND: [404, false],
  REQUEST_NOT_FOUND: [404, false],
  MESSAGE_NOT_FOUND: [404, false],
  QUEUE_ITEM_NOT_FOUND: [404, false],
  PROJECT_NOT_FOUND: [404, false],
  SCHEDULED_TASK_NOT_FOUND: [404, false],
  MEMORY_NOT_FOUND: [404, false],
  CAPABILITY_NOT_FOUND: [404, false],
  SCHEDULE_NOT_FOUND: [404, false],
  DELIVERY_NOT_FOUND: [404, false],
  FILE_NOT_FOUND: [404, false],
  WORKSPACE_NOT_FOUND: [404, false],
  REQUEST_TIMEOUT: [408, true],
  JOB_TERMINAL: [409, false],
  JOB_NOT_WAITING: [409, false],
  SCHEDULE_EXISTS: [409, false],
  SCHEDULE_FROM_FILE: [409, false],
  JOB_RUNNING: [409, false],
  TOO_MANY_SCHEDULED_TASKS: [409, false],
  MEMORY_FULL: [409, false],
  BLUEPRINT_EXISTS: [409, false],
  CAPABILITY_EXISTS: [409, false],
  CAPABILITY_IN_USE: [409, false],
  CAPABILITY_LIMIT: [409, false],
  SESSION_BUSY: [409, true],
  WORKSPACE_NOT_STORED: [409, false],
  SESSION_CANCELING: [409, true],
  QUEUE_NOT_EMPTY: [409, false],
  QUEUE_FULL: [409, true],
  QUEUE_ITEM_GONE: [409, false],
  RUN_NOT_CURRENT: [409, false],
  LEASE_LOST: [409, false],
  REQUEST_ANSWERED: [409, false],
  EVENT_GAP: [409, true],
  REQUEST_EXPIRED: [410, false],
  PAYLOAD_TOO_LARGE: [413, false],
  IDEMPOTENCY_CONFLICT: [422, false],
  HEADERS_TOO_LARGE: [431, false],
  QUOTA_EXCEEDED: [429, true],
  TOO_MANY_SIGNALS: [429, true],
  TOO_MANY_COMMANDS: [429, true],
  TOO_MANY_REQUESTS: [429, true],
  INTERNAL: [500, true],
  PAYLOAD_LOST: [500, false],
  FILES_NOT_ENABLED: [501, false],
  LINKS_OFF: [409, false],
  HISTORY_NOT_ENABLED: [501, false],
  MANAGER_UNAVAILABLE: [503, true],
  STORE_UNAVAILABLE: [503, true],
  SHUTTING_DOWN: [503, true],
}
const codes = Object.keys(errorCatalogue) as ErrorCode[]

test('the catalogue holds what was promised', () => {
  expect(Object.fromEntries(codes.map((code) => [code, [statusOf(code), errorCatalogue[code].retryable]]))).toEqual(
    promised,
  )
})

const statusOf = (code: ErrorCode): number => new TuttiError(code, '').status

describe.each(codes)('%s', (code) => {
  test('says what the caller can do, in a sentence', () => {
    expect(errorCatalogue[code].hint).toMatch(/^\S.{15,}[.]$/)
  })
  test('answers a body that clients can read', () => {
    const body = new TuttiError(code, 'what went wrong').body()
    expect(errorBody.parse(JSON.parse(JSON.stringify(body)))).toStrictEqual({
      error: 'what went wrong',
      code,
      retryable: errorCatalogue[code].retryable,
      hint: errorCatalogue[code].hint,
    })
  })
})

test('the body names the place of the fault, and keeps the cause to itself', () => {
  const cause = new Error('a secret of the server')
  const error = new TuttiError('INVALID_BODY', 'no address', { path: 'body.input.url', cause })
  expect(error).toMatchObject({ name: 'TuttiError', message: 'no address', status: 400, path: 'body.input.url', cause })
  expect(error.body()).toMatchObject({ path: 'body.input.url', error: 'no address' })
  expect(JSON.stringify(error.body())).not.toContain('secret')
  expect(new TuttiError('INTERNAL', 'x')).not.toHaveProperty('cause')
})

test('a job is over in five of its states, and in no other', () => {
  expect(jobStatus.options.filter(isTerminal)).toEqual(['finished', 'failed', 'cancelled', 'quarantined', 'error'])
  expect([...terminalStatuses]).toEqual(jobStatus.options.filter(isTerminal))
})
