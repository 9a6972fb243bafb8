/** What the folder report tells. */

export interface Todo {
  file: string
  line: number
  mark: string
  /** The line, without the white space around it; at most 200 characters. */
  text: string
}

/** A relative link of a Markdown file whose target isn't there. */
export interface BrokenLink {
  file: string
  link: string
}

export interface FileHash {
  path: string
  sha256: string
  bytes: number
}

export interface ExtensionTotals {
  files: number
  bytes: number
  lines: number
}

export interface FolderReport {
  files: number
  bytes: number
  lines: number
  words: number
  headings: number
  links: number
  broken_links: BrokenLink[]
  todos: Todo[]
  /** Files with the same content, empty ones aside. */
  duplicates: { hash: string; files: string[] }[]
  /** The ten largest files. */
  largest: { file: string; bytes: number }[]
  /** By extension in lower case without its dot; `(none)` for names without one. */
  by_extension: Record<string, ExtensionTotals>
  /** Files that were there at the scan and gone at the measuring. */
  missing: string[]
}

/** Order that doesn't depend on the machine's language. */
export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
