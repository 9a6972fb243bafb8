/** Where a worker writes what it does. A pino logger fits. */
export interface WorkerLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

const silent = () => {}
export const noLog: WorkerLog = { info: silent, warn: silent, error: silent }

export const errorMessage = (error: unknown): string => (error instanceof Error ? error.message : String(error))
