/** Text from a file as a database can keep it: NULs and halves of cut characters make a JSON value that it refuses. */
export const storable = (text: string, mostChars: number): string =>
  text.slice(0, mostChars).replaceAll('\0', '').toWellFormed()
