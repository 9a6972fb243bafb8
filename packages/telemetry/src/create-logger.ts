import { type DestinationStream, destination, type Logger as PinoLogger, pino } from 'pino'
import { prettyFactory } from 'pino-pretty'
import { createLogFile, type LogFileOptions } from './log-file.ts'
import type { LogFields, Logger, LogMethod } from './logger.ts'
import { redactFields, redactText } from './redact.ts'
import { createTimestamp } from './time.ts'

/** The names that the configuration uses; they stand in the lines too. */
export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR'

export interface LoggerOptions {
  level: LogLevel
  /** `json`: one object per line. `text`: for people. */
  format: 'json' | 'text'
  /** The process. */
  name: string
  /** IANA zone of the timestamps, and of the days of files; UTC by default. */
  timeZone?: string
  /** Where the lines are kept as files too. */
  file?: Omit<LogFileOptions, 'name'>
}

/** What tests replace. */
export interface LoggerDeps {
  /** Takes each line; standard output by default. Text has colours only when standard output is a terminal. */
  destination?: { write(line: string): void }
  /** Milliseconds since 1970. */
  now?: () => number
}

/**
 * A logger that has written its line when the call returns: a process that dies in the next statement has still said
 * why. Throws a `RangeError` for an unknown time zone.
 */
export function createLogger(options: LoggerOptions, deps: LoggerDeps = {}): Logger {
  const { name, level, format, timeZone = 'UTC' } = options
  const now = deps.now ?? Date.now
  const timestamp = createTimestamp(timeZone)
  const stream: DestinationStream = deps.destination ?? destination({ dest: 1, sync: true })
  const colour = deps.destination === undefined && process.stdout.isTTY === true && !process.env.NO_COLOR
  const shaped = (to: DestinationStream, colorize: boolean): DestinationStream =>
    format === 'text' ? prettyStream(to, colorize) : to
  const open = (to: DestinationStream): Logger =>
    wrap(
      pino(
        {
          level: pinoLevels[level],
          base: { name },
          timestamp: () => `,"time":"${timestamp(now())}"`,
          // Errors come as plain objects already, without their secrets.
          serializers: { err: (value: unknown) => value },
          formatters: { level: (label) => ({ level: shownLevels[label] ?? label }) },
        },
        to,
      ),
      format === 'text' ? oneLine : (message) => message,
    )
  const shown = shaped(stream, colour)
  if (!options.file) return open(shown)

  const alone = open(shown)
  const dayOf = (milliseconds: number): string => timestamp(milliseconds).slice(0, 10)
  const onTrouble = (fields: object, message: string): void => alone.warn({ ...fields }, message)
  const kept = shaped(createLogFile({ ...options.file, name }, { now, dayOf, onTrouble }), false)
  return open({
    write: (line) => {
      shown.write(line)
      kept.write(line)
    },
  })
}

const pinoLevels = { DEBUG: 'debug', INFO: 'info', WARNING: 'warn', ERROR: 'error' } as const satisfies Record<
  LogLevel,
  string
>

const shownLevels: Readonly<Record<string, LogLevel>> = {
  debug: 'DEBUG',
  info: 'INFO',
  warn: 'WARNING',
  error: 'ERROR',
}

function prettyStream(stream: DestinationStream, colorize: boolean): DestinationStream {
  const pretty = prettyFactory({
    colorize,
    translateTime: false,
    singleLine: true,
    customLevels: 'DEBUG:20,INFO:30,WARNING:40,ERROR:50',
    customColors: 'DEBUG:gray,INFO:green,WARNING:yellow,ERROR:red',
  })
  return { write: (line) => stream.write(pretty(line)) }
}

/** A message that holds another's text can’t fake a second line, nor command the reader's terminal. */
function oneLine(message: string): string {
  return message.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1))
}

function wrap(library: PinoLogger, clean: (message: string) => string): Logger {
  function method(level: 'debug' | 'info' | 'warn' | 'error'): LogMethod {
    return (fieldsOrMessage: LogFields | string, message?: string) => {
      if (!library.isLevelEnabled(level)) return
      if (typeof fieldsOrMessage === 'string') library[level](clean(redactText(fieldsOrMessage)))
      else library[level](redactFields(fieldsOrMessage), clean(redactText(message ?? '')))
    }
  }
  return {
    debug: method('debug'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
    child: (bindings) => wrap(library.child(redactFields(bindings)), clean),
  }
}
