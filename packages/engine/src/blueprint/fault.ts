/** A fault of the blueprint itself, met while a job ran: trying again would only repeat it, so the job ends at once. */
export class BlueprintFault extends Error {
  override readonly name = 'BlueprintFault'
  readonly code: string

  constructor(message: string, code = 'BLUEPRINT_ERROR') {
    super(message)
    this.code = code
  }
}
