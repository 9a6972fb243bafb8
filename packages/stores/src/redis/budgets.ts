import type { Draw, Drawn } from '@tutti/engine'
import type { Run } from './scripts.ts'
import { nameText, parseNumber } from './text.ts'

export const draw = async (run: Run, draws: Draw[]): Promise<Drawn[]> => {
  if (draws.length === 0) return []
  const answers = await run<[granted: string, left: string, retryAt: string][]>(
    'draw',
    draws.flatMap(({ key, want, partial, budget }) => [
      nameText(key),
      want,
      partial ? 'partial' : '',
      budget.kind,
      budget.capacity,
      budget.kind === 'bucket' ? budget.refillPerMs : budget.until,
    ]),
  )
  return answers.map(([granted, left, retryAt]) => ({
    granted: Number(granted),
    left: Number(left),
    retryAt: parseNumber(retryAt),
  }))
}
