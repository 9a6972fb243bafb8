import type { Turn } from '@tutti/contracts'
import type { Intake } from './intake.ts'
import type { Meter } from './usage.ts'

/** What a sandbox works on at the moment. */
export interface Assignment {
  turn: Turn
  intake: Intake
  meter: Meter
}
