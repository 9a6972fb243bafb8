/** Lines and words of a text that comes in pieces. */

export interface TextCounter {
  push(text: string): void
  counts(): { lines: number; words: number }
}

/**
 * Counts as GNU wc does in a UTF-8 locale: `lines` are line ends, so a last line without one doesn't count; `words` are
 * runs of anything between white space, where the non-breaking spaces are white space too. wc before 9.5 passes over
 * whatever it can't print: control characters, undecodable bytes, U+2028; newer ones and this one don't.
 */
export const createTextCounter = (): TextCounter => {
  let lines = 0
  let words = 0
  let inWord = false
  return {
    push: (text) => {
      for (let index = 0; index < text.length; index += 1) {
        const code = text.charCodeAt(index)
        if (code === 10) lines += 1
        if (isSpace(code)) inWord = false
        else if (!inWord) {
          inWord = true
          words += 1
        }
      }
    },
    counts: () => ({ lines, words }),
  }
}

const wideSpaces = new Set([
  0x00a0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x2028,
  0x2029, 0x202f, 0x205f, 0x2060, 0x3000,
])

const isSpace = (code: number): boolean =>
  code < 0xa0 ? code === 32 || (code >= 9 && code <= 13) : wideSpaces.has(code)
