/** What each variable of the orchestrator does, seen from outside: with one value and with another. */
import { access } from './effects/access.ts'
import type { Effects } from './effects/effects.ts'
import { engine } from './effects/engine.ts'
import { kept } from './effects/kept.ts'
import { rates } from './effects/rates.ts'
import { serving } from './effects/serving.ts'
import { storage } from './effects/storage.ts'
import { telling } from './effects/telling.ts'

export const effects: Effects = { ...serving, ...storage, ...access, ...rates, ...engine, ...kept, ...telling }
