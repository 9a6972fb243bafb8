/** The fenced blocks of a Markdown file. CONTRIBUTING.md says which of them are executed, and how. */

export interface Block {
  language: string
  /** What stands behind the language: `run blueprint`, `output`. */
  words: string[]
  text: string
  /** Of the opening fence, from 1. */
  line: number
}

const fence = /^(`{3,})([\w-]+)[ \t]*(.*)\n([\s\S]*?)^\1[ \t]*$/gm

export const readBlocks = (markdown: string): Block[] =>
  [...markdown.matchAll(fence)].map(({ index, 2: language = '', 3: words = '', 4: text = '' }) => ({
    language,
    words: words.split(/\s+/).filter(Boolean),
    text,
    line: markdown.slice(0, index).split('\n').length,
  }))
