/** Parked polls: no news may be lost on a poll that does not use it. */
import { expect, test } from 'vitest'
import { setUp } from './parked.ts'

test('a poll that waits for nothing is answered at once', async () => {
  const { poll } = setUp()
  expect(await poll('w', ['a'], { waitMs: 0 })).toEqual([])
})

test('a parked poll is woken by news of its skill, and by no other', async () => {
  const { time, answers, poll, enqueue, looks } = setUp()
  poll('w', ['a', 'b'])
  await time.settle()
  enqueue('c')
  await time.settle()
  expect(looks).toHaveLength(1)
  enqueue('b')
  await time.settle()
  expect(answers.get('w')).toEqual(['b'])
})

test('news of n tasks wakes n polls, whoever has waited longest', async () => {
  const { time, answers, poll, enqueue, looks } = setUp()
  for (const worker of ['w1', 'w2', 'w3', 'w4']) poll(worker, ['a'])
  await time.settle()
  enqueue('a', 'a')
  await time.settle()
  expect([...answers.keys()]).toEqual(['w1', 'w2'])
  expect(looks.length).toBeLessThanOrEqual(4 + 2 + 2)
})

test('news that comes while a poll looks makes it look again', async () => {
  const { time, answers, poll, hold, enqueue } = setUp()
  const open = hold()
  poll('w', ['a'])
  await time.settle()
  enqueue('a')
  open()
  await time.settle()
  expect(answers.get('w')).toEqual(['a'])
})

test('news for a poll that was given something else goes to another poll', async () => {
  const { time, answers, poll, hold, enqueue } = setUp()
  poll('both', ['a', 'b'])
  poll('only-a', ['a'])
  await time.settle()
  const open = hold()
  enqueue('b')
  await time.settle()
  enqueue('a')
  open()
  await time.settle()
  expect(answers.get('both')).toEqual(['b'])
  expect(answers.get('only-a')).toEqual(['a'])
})

test('news of several tasks that one poll was told of reaches the others, too', async () => {
  const { time, answers, poll, hold, enqueue } = setUp()
  poll('first', ['a', 'b'])
  await time.settle()
  const open = hold()
  enqueue('b')
  await time.settle()
  enqueue('a', 'a')
  poll('second', ['a', 'x'], {})
  poll('third', ['a', 'y'], {})
  open()
  await time.settle()
  expect(answers).toEqual(
    new Map([
      ['first', ['b']],
      ['second', ['a']],
      ['third', ['a']],
    ]),
  )
})

test('a poll that looked again on the news of two tasks and took one passes the other on', async () => {
  const { time, answers, poll, hold, enqueue, handOut } = setUp()
  poll('first', ['a', 'b'])
  poll('second', ['a', 'x'])
  await time.settle()
  const open = hold()
  // News of a task that somebody else was faster to take: the first poll looks, and will find nothing.
  handOut.wake('b', 1)
  await time.settle()
  enqueue('a', 'a')
  open()
  await time.settle()
  expect(answers).toEqual(
    new Map([
      ['first', ['a']],
      ['second', ['a']],
    ]),
  )
})

test('news for a poll whose time is over goes to another poll', async () => {
  const { time, answers, poll, hold, enqueue, handOut } = setUp()
  poll('leaves', ['a'], { waitMs: 1_000 })
  poll('stays', ['a'])
  await time.settle()
  const open = hold()
  // News of a task that somebody else was faster to take: the first poll looks, and will find nothing.
  handOut.wake('a', 1)
  await time.settle()
  enqueue('a')
  await time.pass(1_000)
  open()
  await time.settle()
  expect(answers).toEqual(
    new Map([
      ['leaves', []],
      ['stays', ['a']],
    ]),
  )
})

test('a task that is being chosen for a poll while its time runs out is given to it', async () => {
  const { time, answers, poll, hold, enqueue, fail, released } = setUp()
  poll('slow', ['a'], { waitMs: 1_000 })
  await time.settle()
  const open = hold()
  enqueue('a')
  await time.pass(1_000)
  expect(answers.has('slow')).toBe(false)
  open()
  await time.settle()
  expect([answers.get('slow'), released]).toEqual([['a'], []])

  // Found nothing, or the Store was away: the time is over all the same.
  poll('late', ['a'], { waitMs: 1_000 })
  await time.settle()
  fail(true)
  enqueue('a')
  await time.pass(1_000)
  expect(answers.get('late')).toEqual([])
})

test('a poll whose asker has gone gives back what was chosen for it, and somebody else gets it', async () => {
  const { time, answers, poll, hold, queue, released } = setUp()
  const gone = new AbortController()
  queue.push('a')
  const open = hold()
  poll('gone', ['a'], { signal: gone.signal })
  await time.settle()
  gone.abort()
  open()
  await time.settle()
  expect(released).toHaveLength(1)
  poll('next', ['a'])
  await time.settle()
  expect(answers).toEqual(
    new Map([
      ['gone', []],
      ['next', ['a']],
    ]),
  )
})

test('an asker who has gone before asking gets nothing, and nothing is chosen', async () => {
  const { poll, looks } = setUp()
  expect(await poll('gone', ['a'], { signal: AbortSignal.abort() })).toEqual([])
  expect(looks).toEqual([])
})

test('every wake-up is lost: the safety look finds the task', async () => {
  const { time, answers, poll, queue } = setUp()
  poll('w', ['a'])
  await time.settle()
  queue.push('a')
  await time.pass(4_999)
  expect(answers.size).toBe(0)
  await time.pass(1)
  expect(answers.get('w')).toEqual(['a'])
})

test('the Store can not be reached: a new poll is told, a parked one waits for better times', async () => {
  const { time, answers, poll, enqueue, fail } = setUp()
  poll('parked', ['a'])
  await time.settle()
  fail(true)
  await expect(poll('new', ['a'])).rejects.toThrow()
  enqueue('a')
  await time.settle()
  fail(false)
  await time.pass(5_000)
  expect(answers.get('parked')).toEqual(['a'])
})

test('wakeSome wakes one poll of each kind, and more as long as they find work', async () => {
  const { time, answers, poll, queue, looks, handOut } = setUp()
  for (const worker of ['a1', 'a2', 'a3']) poll(worker, ['a'])
  for (const worker of ['b1', 'b2']) poll(worker, ['b'])
  await time.settle()
  queue.push('a', 'a')
  handOut.wakeSome()
  await time.settle()
  expect([...answers.keys()].sort()).toEqual(['a1', 'a2'])
  expect(looks.length).toBe(5 + 4)
})

test('stopping answers every poll, gives back what was still chosen, and takes no more', async () => {
  const { time, answers, poll, hold, queue, released, handOut } = setUp()
  poll('parked', ['x'])
  await time.settle()
  queue.push('a')
  const open = hold()
  poll('looking', ['a'])
  await time.settle()
  let done = false
  const stopped = handOut.stop().then(() => {
    done = true
  })
  await time.settle()
  expect(answers).toEqual(
    new Map([
      ['parked', []],
      ['looking', []],
    ]),
  )
  expect(done).toBe(false)
  open()
  await stopped
  expect(released).toHaveLength(1)
  expect(await poll('late', ['a'])).toEqual([])
  expect(queue).toEqual(['a'])
})

test('a poll that looked in vain goes to the back of the line', async () => {
  const { time, answers, poll, enqueue, handOut } = setUp()
  poll('first', ['a'])
  poll('second', ['a'])
  await time.settle()
  // News of a task that somebody else was faster to take.
  handOut.wake('a', 1)
  await time.settle()
  enqueue('a')
  await time.settle()
  expect([...answers.keys()]).toEqual(['second'])
})

test('of a thousand polls that are alike, a hundred are compared for one task, not all', async () => {
  const { time, answers, poll, enqueue, compared } = setUp()
  for (let at = 0; at < 1_000; at += 1) poll(`w${at}`, ['a'])
  await time.settle()
  const before = compared()
  enqueue('a')
  await time.settle()
  expect([...answers.keys()]).toEqual(['w0'])
  // Once for the task, and once more to see whether there is another.
  expect(compared() - before).toBeLessThanOrEqual(2 * 100)
})

test('a poll that is woken and goes away before it has asked the Store passes the news on', async () => {
  const { time, answers, poll, enqueue } = setUp()
  const gone = new AbortController()
  poll('goes', ['a'], { signal: gone.signal })
  poll('stays', ['a'])
  await time.settle()
  enqueue('a')
  gone.abort()
  await time.settle()
  expect(answers).toEqual(
    new Map([
      ['goes', []],
      ['stays', ['a']],
    ]),
  )
})
