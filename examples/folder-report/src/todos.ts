import { storable } from './storable.ts'

/** Whole words only, as `grep -w` has it: the X's of a temporary file's name are no mark. */
const mark = /(?<![\p{L}\p{N}_])(TODO|FIXME|XXX|HACK)(?![\p{L}\p{N}_])/u

/** The first mark of a line, with the line. */
export const findTodo = (line: string): { mark: string; text: string } | undefined => {
  const found = mark.exec(line)?.[1]
  return found === undefined ? undefined : { mark: found, text: storable(line.trim(), 200) }
}
