export const titleLength = 80

/** The first line of the first message, until somebody gives a better title. */
export const firstTitle = (prompt: string): string =>
  (prompt.trim().split('\n', 1)[0] ?? '').slice(0, titleLength).toWellFormed()
