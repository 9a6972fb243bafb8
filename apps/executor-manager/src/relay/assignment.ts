import type { Turn } from '@tutti/contracts'
import type { Commands } from '../claim/commands.ts'
import type { Intake } from './intake.ts'
import type { Meter } from './usage.ts'

/** What a sandbox works on at the moment. */
export interface Assignment {
  turn: Turn
  intake: Intake
  meter: Meter
  /** What is said to the turn while it runs. */
  commands: Commands
}
