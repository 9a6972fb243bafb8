/** Tasks are told of twice, and count once; what others make is never taken for one's own for long. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createEcho } from '../src/hand-out/echo.ts'

const setUp = () => {
  let clock = 0
  const echo = createEcho(() => clock)
  return {
    echo,
    pass: (ms: number) => {
      clock += ms
    },
  }
}

test('what comes back counts for nothing; news that overtake their task do not keep it from being looked for', () => {
  const { echo } = setUp()
  expect([echo.made('q', 2), echo.heard('q', 2)]).toEqual([2, 0])
  expect([echo.heard('q', 3), echo.made('q', 3), echo.heard('q', 1)]).toEqual([3, 3, 1])
  expect([echo.made('r', 1), echo.heard('r', 4)]).toEqual([1, 3])
})

test('queues are apart', () => {
  const { echo } = setUp()
  expect([echo.made('a', 1), echo.heard('b', 1)]).toEqual([1, 1])
})

test('news that never came back are not held against others', () => {
  const { echo, pass } = setUp()
  echo.made('q', 5)
  pass(1_000)
  expect(echo.heard('q', 5)).toBe(5)
})

test('at least as many polls are woken as tasks are made, here and elsewhere, in whatever order they are told of', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('here', 'elsewhere'), { maxLength: 30 }),
      fc.infiniteStream(fc.nat()),
      (tasks, chance) => {
        const { echo } = setUp()
        const told: ('made' | 'heard')[] = tasks.flatMap((where) =>
          where === 'here' ? (['made', 'heard'] as const) : (['heard'] as const),
        )
        let woken = 0
        while (told.length > 0) {
          const at = (chance.next().value as number) % told.length
          const [kind] = told.splice(at, 1)
          woken += kind === 'made' ? echo.made('q', 1) : echo.heard('q', 1)
        }
        expect(woken).toBeGreaterThanOrEqual(tasks.length)
      },
    ),
  )
})
