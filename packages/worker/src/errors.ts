/** What a work function throws to say how its failure is to be handled. Any other exception counts as transient. */

/** Try again, perhaps on another worker. */
export class TransientError extends Error {
  override readonly name = 'TransientError'
  readonly code = 'TRANSIENT_ERROR'
}

/** Trying again is useless: the job is quarantined for a person to look at. */
export class PermanentError extends Error {
  override readonly name = 'PermanentError'
  readonly code = 'PERMANENT_ERROR'
}

/** The params are wrong: the job fails. */
export class InvalidInputError extends Error {
  override readonly name = 'InvalidInputError'
  readonly code = 'INVALID_INPUT_ERROR'
}

/** A file is not the one that it should be: the job fails. */
export class IntegrityError extends Error {
  override readonly name = 'IntegrityError'
  readonly code = 'INTEGRITY_MISMATCH_ERROR'
}

/** What was to be told is not what the skill promises: the job is quarantined. */
export class ContractViolationError extends Error {
  override readonly name = 'ContractViolationError'
  readonly code = 'CONTRACT_VIOLATION_ERROR'
}

/** The orchestrator refuses this worker (401, 403, a bad registration): trying again would never help. */
export class WorkerRejectedError extends Error {
  override readonly name = 'WorkerRejectedError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** The code that goes to the orchestrator with a failure. */
export const failureCode = (error: unknown): string =>
  error instanceof PermanentError ||
  error instanceof InvalidInputError ||
  error instanceof IntegrityError ||
  error instanceof ContractViolationError
    ? error.code
    : 'TRANSIENT_ERROR'

/** The worker file, or the environment it is run with, can't be used as it is. */
export class WorkerFileError extends Error {
  override readonly name = 'WorkerFileError'
}
