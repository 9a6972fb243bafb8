import type { MemoryAnswer, MemoryCall, Turn } from '@tutti/contracts'
import type { AllowedHost } from '@tutti/network'
import type { Commands } from '../claim/commands.ts'
import type { Account } from './account.ts'
import type { Intake } from './intake.ts'

/** Where a picture of the turn's browser is kept; gives its key. */
export type StoreScreenshot = (toolUseId: string, png: Buffer) => Promise<string>

/** What a sandbox works on at the moment. */
export interface Assignment {
  turn: Turn
  intake: Intake
  account: Account
  /** The hosts that it may reach. */
  egress: readonly AllowedHost[]
  /** What is said to the turn while it runs. */
  commands: Commands
  screenshot: StoreScreenshot
  /** What the turn's agent asks of the memory; absent where it has none. Rejects with `BackendError`. */
  memory?: (call: MemoryCall) => Promise<MemoryAnswer>
}
