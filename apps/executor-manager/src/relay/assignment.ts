import type { Turn, TurnCommand } from '@tutti/contracts'
import type { Intake } from './intake.ts'
import type { Meter } from './usage.ts'

/** What is said to a turn while it runs. */
export interface CommandSource {
  /** The commands behind that number: at once where there are some, else when they come. Rejects when the signal aborts. */
  after(n: number, signal: AbortSignal): Promise<TurnCommand[]>
}

/** Where a picture of the turn's browser is kept; gives its key. */
export type StoreScreenshot = (toolUseId: string, png: Buffer) => Promise<string>

/** What a sandbox works on at the moment. */
export interface Assignment {
  turn: Turn
  intake: Intake
  meter: Meter
  /** Without, nobody says anything. */
  commands?: CommandSource
  /** Without, pictures are refused. */
  screenshot?: StoreScreenshot
}
