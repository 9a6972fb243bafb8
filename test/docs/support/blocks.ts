/** The fenced blocks of a Markdown file. CONTRIBUTING.md says which of them are executed, and how. */

export interface Block {
  /** Empty where the fence names none. */
  language: string
  /** What stands behind the language: `run blueprint`, `output`. */
  words: string[]
  text: string
  /** Of the opening fence, from 1. */
  line: number
}

const fence = /^(`{3,})([\w-]*)[ \t]*(.*)\n([\s\S]*?)^\1[ \t]*$/gm

/** @throws where a fence stands that it does not read: an indented one, one of tildes, one that is never closed */
export const readBlocks = (markdown: string): Block[] => {
  const rest = markdown.replaceAll(fence, (block) => block.replaceAll(/.+/g, ''))
  const odd = rest.split('\n').findIndex((line) => /^\s*(?:```|~~~)/.test(line))
  if (odd >= 0) throw new Error(`line ${odd + 1}: a fence is three backticks at the beginning of a line, and is closed`)
  return [...markdown.matchAll(fence)].map(({ index, 2: language = '', 3: words = '', 4: text = '' }) => ({
    language,
    words: words.split(/\s+/).filter(Boolean),
    text,
    line: markdown.slice(0, index).split('\n').length,
  }))
}
