/** Why a sandbox could not be started, and what to do about it. The fault is for the operator, never for the agent. */
export class SandboxError extends Error {
  readonly fault: string
  readonly remedy: string

  constructor(fault: string, remedy: string, options?: ErrorOptions) {
    super(`${fault} (${remedy})`, options)
    this.name = 'SandboxError'
    this.fault = fault
    this.remedy = remedy
  }
}

/** The system's code of a failed call, e.g. `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
