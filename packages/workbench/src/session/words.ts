/** The words of a text, for the full-text index: the same ones on the way in and in a query. */

/** What is indexed of one text at most: a tsvector has a limit, and a message past it would be refused as a whole. */
const indexedLength = 100_000

/** Written without blanks between words: there each character is a word, and a query looks for them side by side. */
const unspaced = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u
const pieces = new RegExp(`${unspaced.source}|(?:(?!${unspaced.source})[\\p{L}\\p{N}\\p{M}])+`, 'gu')

const split = (text: string): string[] => text.normalize('NFKC').toLowerCase().match(pieces) ?? []

export const wordsOf = (text: string): string => split(text.slice(0, indexedLength)).join(' ')

/** A tsquery: all words, each as the beginning of one; null where the text holds none. */
export const queryOf = (text: string): string | null => {
  const terms = termsOf(text)
  return terms.length === 0 ? null : terms.join(' & ')
}

/** A tsquery for each word; one for characters that stand side by side without blanks. */
export const termsOf = (text: string): string[] => {
  const terms: string[] = []
  let wasUnspaced = false
  for (const piece of split(text)) {
    const isUnspaced = unspaced.test(piece)
    // Only letters, digits and marks are left in it: nothing that to_tsquery would read as its own.
    const term = isUnspaced ? `'${piece}'` : `'${piece}':*`
    if (isUnspaced && wasUnspaced) terms.push(`${terms.pop()} <-> ${term}`)
    else terms.push(term)
    wasUnspaced = isUnspaced
  }
  return terms.map((term) => `(${term})`)
}
