/** Longest name in bytes of UTF-8: file systems take 255, and some room is left for what is put before it. */
const mostBytes = 200

/**
 * The name under which an upload is kept and staged: one segment of a path, which shows itself as what it is. What a browser
 * sends may be a whole path, hold line breaks, or letters that turn the direction of writing.
 */
export const fileNameOf = (sent: string): string => {
  const last = sent.toWellFormed().normalize('NFC').split(/[/\\]/).at(-1) ?? ''
  const plain = last.replaceAll(/[\p{Cc}\p{Cf}\p{Noncharacter_Code_Point}\u2028\u2029]/gu, '').trim()
  const name = /^\.*$/.test(plain) ? 'file' : plain
  if (Buffer.byteLength(name) <= mostBytes) return name
  // The ending says what it is.
  const ending = /\.[^.]{1,20}$/u.exec(name)?.[0] ?? ''
  return `${shortened(name.slice(0, name.length - ending.length), mostBytes - Buffer.byteLength(ending))}${ending}`
}

const shortened = (text: string, bytes: number): string => {
  let short = ''
  let length = 0
  for (const character of text) {
    length += Buffer.byteLength(character)
    if (length > bytes) break
    short += character
  }
  return short
}
