import { expect, test } from 'vitest'
import { createSlots } from '../src/slots.ts'

const slotsOf = (concurrency: number, resultBuffer = 100) =>
  createSlots({ concurrency, resultBuffer, onFree: () => {} })

test('slot-of-a-finished-task-is-kept-for-the-request-that-delivers-its-result', () => {
  const slots = slotsOf(2)
  slots.settle(slots.reserve(2), 2)
  slots.taskEnded(true)
  expect(slots.reserve(9)).toBe(0)
  slots.firstSent(1)
  expect(slots.reserve(9)).toBe(1)
})

test('slot-of-a-task-without-result-is-free-at-once', () => {
  const slots = slotsOf(1)
  slots.settle(slots.reserve(1), 1)
  slots.taskEnded(false)
  expect(slots.reserve(9)).toBe(1)
})

test('what a request didn’t bring is free again, what it brought is not', () => {
  const slots = slotsOf(5)
  const reserved = slots.reserve(9)
  expect([reserved, slots.reserve(9)]).toEqual([5, 0])
  slots.settle(reserved, 2)
  expect(slots.reserve(2)).toBe(2)
  expect(slots.reserve(9)).toBe(1)
})

test('more-tasks-than-were-asked-for-do-not-make-room-for-yet-more', () => {
  const slots = slotsOf(1)
  slots.settle(slots.reserve(1), 3)
  slots.taskEnded(false)
  slots.taskEnded(false)
  expect(slots.reserve(9)).toBe(0)
})

test('undelivered-results-take-up-the-buffer-until-they-are-gone', () => {
  const slots = slotsOf(2, 3)
  for (let round = 0; round < 3; round += 1) {
    slots.settle(slots.reserve(1), 1)
    slots.taskEnded(true)
    slots.firstSent(1)
  }
  expect(slots.reserve(9)).toBe(0)
  slots.resultGone()
  expect(slots.reserve(9)).toBe(1)
})
