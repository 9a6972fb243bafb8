export { createLogger, type LoggerDeps, type LoggerOptions, type LogLevel } from './create-logger.ts'
export { type LogFields, type Logger, type LogMethod, silentLogger } from './logger.ts'
