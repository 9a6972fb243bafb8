/** A zod schema, or any other that implements Standard Schema: the SDK brings no validator and ties nobody to one. */
export interface Schema<T> {
  readonly '~standard': { readonly validate: (value: unknown) => Validated<T> | Promise<Validated<T>> }
}

export interface Issue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}
type Validated<T> = { readonly value: T; readonly issues?: undefined } | { readonly issues: readonly Issue[] }

export const describeIssue = ({ path = [], message }: Issue, root: string): string => {
  const where = [root, ...path.map((part) => String(typeof part === 'object' ? part.key : part))].join('.')
  return `${where}: ${message}`
}
