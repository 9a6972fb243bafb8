/** Cuts a text that comes in pieces into its lines. */

export interface LineReader {
  push(text: string): void
  /** The last line may lack its end. */
  end(): void
}

/** Of a longer line only the beginning is kept: a file may be one line of hundreds of megabytes. */
export const longestLine = 65_536

export const createLineReader = (onLine: (line: string, number: number) => void): LineReader => {
  let begun = ''
  let open = false
  let number = 0
  const emit = () => {
    number += 1
    onLine(begun.endsWith('\r') ? begun.slice(0, -1) : begun, number)
    begun = ''
    open = false
  }
  const append = (text: string, from: number, to: number) => {
    begun += text.slice(from, Math.min(to, from + longestLine - begun.length))
    open ||= to > from
  }
  return {
    push: (text) => {
      let from = 0
      for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
        append(text, from, at)
        emit()
        from = at + 1
      }
      append(text, from, text.length)
    },
    end: () => {
      if (open) emit()
    },
  }
}
