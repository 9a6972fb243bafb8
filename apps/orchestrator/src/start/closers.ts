/** What was opened, to be closed in the opposite order. */
export interface Closers {
  add(close: () => unknown): void
  /** Closes all, whatever comes of each. @throws the first error, when all are closed */
  close(): Promise<void>
}

export const createClosers = (): Closers => {
  const opened: (() => unknown)[] = []
  return {
    add: (close) => {
      opened.push(close)
    },
    close: async () => {
      const errors: unknown[] = []
      for (const close of opened.splice(0).reverse())
        try {
          await close()
        } catch (error) {
          errors.push(error)
        }
      if (errors.length > 0) throw errors[0]
    },
  }
}
