type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> }

/** Without the keys that hold `undefined`: to the engine, absent and undefined are not the same. */
export const defined = <T extends object>(value: T): Partial<Defined<T>> =>
  Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as Partial<Defined<T>>
