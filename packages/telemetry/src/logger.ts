/** What every package logs through. Only this package knows which library writes the lines. */
export interface Logger {
  debug: LogMethod
  info: LogMethod
  warn: LogMethod
  error: LogMethod
  /** A logger that adds these fields to every line. */
  child(bindings: LogFields): Logger
}

/** Never throws, and never writes a secret that it can recognise, whatever it is given. */
export interface LogMethod {
  (message: string): void
  (fields: LogFields, message: string): void
}

/** Fields of a line. An error goes under `err`. These names are the same everywhere, so that lines can be joined. */
export interface LogFields {
  err?: unknown
  job_id?: string
  task_id?: string
  session_id?: string
  run_id?: string
  [field: string]: unknown
}

/** Writes nothing: for tests. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
}
