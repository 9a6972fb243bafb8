/**
 * Group commit: many callers' items travel in one call. An item alone goes at once and waits for nobody; while `maxInFlight`
 * calls are on their way, items gather and leave together with the next free call.
 */
export interface Batcher<I, O> {
  /** @throws whatever the call threw: then it is unknown whether the item took effect */
  add(item: I): Promise<O>
  /** Resolves when nothing is waiting or on its way. */
  idle(): Promise<void>
}

export interface BatcherOptions<I, O> {
  maxBatch: number
  maxInFlight: number
  /**
   * Calls begin at least this far apart, unless a full batch waits; an item alone still goes at once. Without it batches are as small as the
   * processor has time for: all of its time goes into small calls, and everybody waits for it.
   */
  everyMs?: number
  /** Answers in the order of the items. */
  call: (items: I[]) => Promise<O[]>
}

interface Waiter<I, O> {
  item: I
  resolve: (output: O) => void
  reject: (error: unknown) => void
}

export const createBatcher = <I, O>({
  maxBatch,
  maxInFlight,
  everyMs = 0,
  call,
}: BatcherOptions<I, O>): Batcher<I, O> => {
  let waiting: Waiter<I, O>[] = []
  let inFlight = 0
  let scheduled = false
  let timer: ReturnType<typeof setTimeout> | undefined
  let began = Number.NEGATIVE_INFINITY
  let idlers: (() => void)[] = []

  const send = async (batch: Waiter<I, O>[]): Promise<void> => {
    inFlight += 1
    try {
      const outputs = await call(batch.map((waiter) => waiter.item))
      if (outputs.length !== batch.length) throw new Error(`${batch.length} items, ${outputs.length} answers`)
      batch.forEach((waiter, at) => {
        waiter.resolve(outputs[at] as O)
      })
    } catch (error) {
      for (const waiter of batch) waiter.reject(error)
    } finally {
      inFlight -= 1
      flush()
    }
  }

  const flush = (): void => {
    scheduled = false
    while (waiting.length > 0 && inFlight < maxInFlight) {
      const early = everyMs === 0 ? 0 : began + everyMs - performance.now()
      if (early > 0 && waiting.length < maxBatch) {
        timer ??= setTimeout(() => {
          timer = undefined
          flush()
        }, Math.ceil(early))
        return
      }
      began = performance.now()
      const batch = waiting.slice(0, maxBatch)
      waiting = waiting.slice(maxBatch)
      void send(batch)
    }
    if (waiting.length === 0 && inFlight === 0) {
      for (const resolve of idlers) resolve()
      idlers = []
    }
  }

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject })
        if (scheduled || inFlight >= maxInFlight || (timer !== undefined && waiting.length < maxBatch)) return
        scheduled = true
        // A microtask later, so that callers who are ready in the same turn of the loop share the call.
        queueMicrotask(flush)
      }),
    idle: () =>
      new Promise((resolve) => {
        idlers.push(resolve)
        if (!scheduled) flush()
      }),
  }
}
