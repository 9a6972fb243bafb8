/** Reading and writing a file of the workspace with the tools that there are: those for files, else a shell. */
import type { Conversation, Exchange } from '../conversation.ts'
import type { ToolCall } from '../step.ts'

export const shell = (command: string, description: string): ToolCall => ({
  tool: 'Bash',
  input: { command, description },
})

/** With only a shell, the first part of it is enough. */
export const read = (conversation: Conversation, path: string): ToolCall =>
  conversation.tools.has('Read')
    ? { tool: 'Read', input: { file_path: absolute(conversation, path), limit: 1000 } }
    : shell(`head -c 20000 ${quoted(path)}`, `Read ${path}`)

export const write = (conversation: Conversation, path: string, text: string): ToolCall => {
  if (conversation.tools.has('Write')) {
    return { tool: 'Write', input: { file_path: absolute(conversation, path), content: text } }
  }
  let end = 'END_OF_FILE'
  while (text.includes(end)) end += '_'
  return shell(`${intoFile(path)}${end}'\n${text}\n${end}`, `Write ${path}`)
}

/** Whether a tool call was a `write` of that file. */
export const isWriteOf =
  (path: string) =>
  ({ tool, input }: Exchange): boolean =>
    tool === 'Write' || (tool === 'Bash' && String(input.command ?? '').startsWith(intoFile(path)))

const intoFile = (path: string): string => `cat > ${quoted(path)} <<'`

const absolute = ({ cwd }: Conversation, path: string): string =>
  path.startsWith('/') || cwd === undefined ? path : `${cwd.replace(/\/$/, '')}/${path}`

const quoted = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`
