/** Answers that are no message of the contracts of their own. */

/** 204, or a body in which nothing is told. */
export const nothing = { parse: (): void => {} }

type Schema<T> = { parse(value: unknown): T }

/** One field of an answer. */
export const fieldOf = <T, Name extends keyof T>(schema: Schema<T>, name: Name): Schema<T[Name]> => ({
  parse: (value) => schema.parse(value)[name],
})

interface Page<T> {
  items: T[]
  next_cursor: string | null
}

/** All items of all pages; a page is fetched when somebody asks for its first item. */
export async function* pages<T>(page: (cursor: string | undefined) => Promise<Page<T>>): AsyncGenerator<T, void, void> {
  let cursor: string | undefined
  do {
    const { items, next_cursor } = await page(cursor)
    yield* items
    cursor = next_cursor ?? undefined
  } while (cursor !== undefined)
}
