/** By the name of a variable: what shows, from outside, that it does something. */
export type Effects = Readonly<Record<string, () => Promise<void>>>
