import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { createLogger, type Logger, type LoggerOptions, silentLogger } from '../src/index.ts'

const time = Date.UTC(2026, 10, 21, 10, 0, 0, 5)

function capture(options: Partial<LoggerOptions> = {}): { logger: Logger; lines: string[] } {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  const logger = createLogger(
    { level: 'INFO', format: 'json', name: 'orchestrator', ...options },
    { destination, now: () => time },
  )
  return { logger, lines }
}

describe('json lines', () => {
  it('hold name, level, time in the zone, fields and message', () => {
    const { logger, lines } = capture({ timeZone: 'Europe/Moscow' })
    logger.warn({ job_id: 'j1' }, 'slow')
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'WARNING',
      time: '2026-11-21T13:00:00.005+03:00',
      name: 'orchestrator',
      job_id: 'j1',
      msg: 'slow',
    })
  })

  it.each([
    ['DEBUG', ['DEBUG', 'INFO', 'WARNING', 'ERROR']],
    ['INFO', ['INFO', 'WARNING', 'ERROR']],
    ['WARNING', ['WARNING', 'ERROR']],
    ['ERROR', ['ERROR']],
  ] as const)('at level %s are %j', (level, expected) => {
    const { logger, lines } = capture({ level })
    logger.debug('x')
    logger.info('x')
    logger.warn('x')
    logger.error('x')
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(expected)
  })

  it('carry the bindings of every child, and of no sibling', () => {
    const { logger, lines } = capture()
    const job = logger.child({ job_id: 'j' })
    job.child({ task_id: 't' }).info('both')
    job.child({ run_id: 'r' }).info('other')
    logger.info('none')
    const seen = lines.map((line) => JSON.parse(line))
    expect(seen.map(({ job_id, task_id, run_id }) => [job_id, task_id, run_id])).toEqual([
      ['j', 't', undefined],
      ['j', undefined, 'r'],
      [undefined, undefined, undefined],
    ])
  })

  it('hold an error with its cause and stack', () => {
    const { logger, lines } = capture()
    logger.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'failed')
    const { err } = JSON.parse(lines[0] ?? '')
    expect(err).toMatchObject({ type: 'Error' })
    expect(err.message).toContain('outer')
    expect(err.stack).toContain('inner')
  })

  it('are written when the call returns, even if the process dies next', () => {
    const script = `
      import { createLogger } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)}
      for (const format of ['json', 'text']) {
        const logger = createLogger({ level: 'INFO', format, name: 'n' })
        for (let i = 0; i < 500; i += 1) logger.info({ i }, 'last words')
      }
      process.kill(process.pid, 'SIGKILL')
    `
    let output = ''
    try {
      execFileSync(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    } catch (error) {
      if (error instanceof Error && 'stdout' in error) output = String(error.stdout)
    }
    expect(output.match(/last words/g)).toHaveLength(1000)
    expect(output).not.toContain('\u001b')
  })
})

it('fields can’t overwrite what every line has', () => {
  const { logger, lines } = capture()
  logger.child({ name: 'fake', level: 'DEBUG' }).info({ time: 'never', msg: 'other' }, 'said')
  expect(lines[0]?.match(/"(level|time|name|msg)":/g)).toEqual(['"level":', '"time":', '"name":', '"msg":'])
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ name: 'orchestrator', msg: 'said', name_: 'fake', time_: 'never' })
})

describe('text lines', () => {
  it('say the same for people', () => {
    const { logger, lines } = capture({ format: 'text' })
    logger.child({ job_id: 'j1' }).warn({ n: 5 }, 'slow')
    expect(lines).toEqual(['[2026-11-21T10:00:00.005Z] WARNING (orchestrator): slow {"job_id":"j1","n":5}\n'])
  })

  it('can’t be forged by a message with line breaks or terminal commands', () => {
    const { logger, lines } = capture({ format: 'text' })
    logger.info({ file: 'a\u001b[2Jb' }, 'name: x\n[2026] ERROR (orchestrator): fake\u001b[2J')
    const text = lines.join('')
    expect(text.trimEnd().split('\n')).toHaveLength(1)
    expect(text).not.toContain('\u001b')
  })
})

describe('whatever it is given', () => {
  const circular: Record<string, unknown> = {}
  circular.self = circular
  it.each([
    ['a circle', circular],
    ['a throwing getter', Object.defineProperty({}, 'x', { enumerable: true, get: () => JSON.parse('{') })],
    [
      'a throwing toJSON',
      {
        toJSON() {
          throw new Error('no')
        },
      },
    ],
    ['a bigint', 10n],
    ['a revoked proxy', revoked()],
    ['bytes', Buffer.alloc(1_000_000)],
    ['nothing', undefined],
  ])('%s does not throw, and the line is written', (_name, value) => {
    for (const format of ['json', 'text'] as const) {
      const { logger, lines } = capture({ format })
      logger.info({ value }, 'still here')
      expect(lines).toHaveLength(1)
      expect(lines[0]).toContain('still here')
      expect(lines[0]?.length).toBeLessThan(1000)
    }
  })
})

it('a deep tree is cut, and what people log is not', () => {
  const nest = (depth: number): unknown => (depth === 0 ? 'core' : { in: nest(depth - 1) })
  const { logger, lines } = capture()
  logger.info({ value: nest(6) }, 'm')
  logger.info({ value: nest(1000) }, 'm')
  expect(lines[0]).toContain('core')
  expect(lines[1]).toContain('[deeper]')
  expect(lines[1]?.length).toBeLessThan(300)
})

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

it('a silent logger and its children take everything', () => {
  silentLogger.child({ job_id: 'j' }).error({ err: new Error('x') }, 'unheard')
})

it('an unknown time zone is refused at once', () => {
  expect(() => capture({ timeZone: 'Mars/Olympus' })).toThrow(RangeError)
})
