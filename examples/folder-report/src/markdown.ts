/** Headings and links of a Markdown file, read line by line. */
import { createInlineLinks } from './inline-links.ts'

export interface MarkdownReader {
  line(text: string): void
  counts(): { headings: number; links: number }
}

const fence = /^[\s>]*(`{3,}|~{3,})(.*)$/
const atx = /^ {0,3}#{1,6}(?:[ \t]|$)/
const underline = /^ {0,3}(?:=+|-+)[ \t]*$/
/** Lines that begin something else than a paragraph, which a line of dashes then only separates. */
const noParagraph = /^(?: {4}|\t| {0,3}(?:>|[-+*][ \t]|[-+*]$|\d{1,9}[.)][ \t]|\||([-_*])[ \t]*(?:\1[ \t]*){2,}$))/
/** `[name]: target`, but not a footnote's `[^1]: text`. */
const definition = /^ {0,3}\[(?!\^)(?:[^[\]\\]|\\.){1,999}\]:[ \t]*(?:<([^<>]*)>|(\S+))/

/**
 * Headings are `# …` and underlined ones; links are inline links and images, and reference definitions (a reference link
 * counts once, where its target stands). Nothing counts in fenced code, code spans, or front matter. HTML isn't read.
 */
export const createMarkdownReader = (onLink: (target: string) => void): MarkdownReader => {
  const inline = createInlineLinks()
  let first = true
  let inFrontMatter = false
  let closing: string | undefined
  let inParagraph = false
  let headings = 0
  let links = 0

  const found = (target: string) => {
    links += 1
    onLink(target)
  }
  const endParagraph = () => {
    inParagraph = false
    inline.paragraphEnd()
  }

  const read = (text: string) => {
    const [, marks, rest] = fence.exec(text) ?? []
    if (closing !== undefined) {
      if (marks?.startsWith(closing) && rest?.trim() === '') closing = undefined
      return
    }
    // Backticks after the backticks: that is a code span, not a fence.
    if (marks !== undefined && !(marks.startsWith('`') && rest?.includes('`'))) {
      closing = marks
      return endParagraph()
    }
    if (text.trim() === '') return endParagraph()
    if (inParagraph && underline.test(text)) {
      headings += 1
      return endParagraph()
    }
    const [, bracketed, bare] = definition.exec(text) ?? []
    const target = bracketed ?? bare
    if (target !== undefined && !inParagraph) {
      endParagraph()
      return found(target)
    }
    if (atx.test(text)) {
      headings += 1
      endParagraph()
    } else if (!inParagraph || !/^(?: {4}|\t)/.test(text)) inParagraph = !noParagraph.test(text)
    for (const link of inline.line(text)) found(link)
  }

  return {
    line: (text) => {
      const marker = /^(?:---|\.\.\.)[ \t]*$/.test(text)
      if (first) {
        first = false
        inFrontMatter = marker && text.startsWith('-')
        if (inFrontMatter) return
      }
      if (!inFrontMatter) return read(text)
      if (marker) inFrontMatter = false
    },
    counts: () => ({ headings, links }),
  }
}

const extensions = new Set(['md', 'markdown', 'mdx'])
export const isMarkdown = (extension: string): boolean => extensions.has(extension)
