import type { Turn } from '@tutti/contracts'
import type { Account } from './account.ts'
import type { Intake } from './intake.ts'

/** What a sandbox works on at the moment. */
export interface Assignment {
  turn: Turn
  intake: Intake
  account: Account
}
