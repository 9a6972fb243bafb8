/** One thing that is wrong with the configuration: where, what, and how to mend it. Never holds a secret's value. */
export interface Fault {
  /** `environment`, or the path of a file as the operator wrote it. */
  source: string
  /** 1-based, where the source has lines. */
  line?: number
  /** 1-based, only together with `line`. */
  column?: number
  /** The variable that a fault of the environment is about. */
  variable?: string
  what: string
  remedy: string
}

/**
 * The configuration can't be used. It carries every fault that was found, not the first one: an operator who mends them
 * one restart at a time gives up. An app prints `message` and exits with `exitCode`.
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly exitCode = 2
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[]) {
    super(formatFaults(faults))
    this.faults = faults
  }
}

/** For the terminal, one line each: `clients.toml:3:1  what is wrong  → what to do`. */
export function formatFaults(faults: readonly Fault[]): string {
  return faults.map((fault) => `${place(fault)}  ${fault.what}  → ${fault.remedy}`).join('\n')
}

function place({ source, line, column }: Fault): string {
  if (line === undefined) return source
  return column === undefined ? `${source}:${line}` : `${source}:${line}:${column}`
}
