import { expect, test } from 'vitest'
import { play, prompt, type Tool } from './conversations.ts'

const ask = prompt('Read text.md and write a summary of at most five sentences to SUMMARY.md.')

/** The agent's tools over a few files. A file that is there is overwritten only after it was read. */
const workspace = (files: Record<string, string>): Tool => {
  const read = new Set<string>()
  return (name, input) => {
    const path = String(input.file_path).replace('/workspace/', '')
    if (name === 'Read') {
      read.add(path)
      const lines = files[path]?.split('\n').map((line, index) => `${index + 1}\t${line}`)
      return lines?.join('\n') ?? new Error('File does not exist.')
    }
    if (path in files && !read.has(path)) return new Error('File has not been read yet.')
    files[path] = String(input.content)
    return 'ok'
  }
}

test('it is the first sentences of the text that the tool answered, and says whose words they are', () => {
  const files: Record<string, string> = {
    'text.md':
      '# Clocks\n\nA clock drifts.\nTwo drift apart! Is\nthat bad?\n\n- a point\n\n```sh\nls. rm.\n```\n\nFour. v1.2 is five. Six.\n',
  }
  const { calls, answer } = play([ask], workspace(files))
  expect(files['SUMMARY.md']).toBe('A clock drifts. Two drift apart! Is that bad? Four. v1.2 is five.\n')
  expect(calls.map(({ name, input }) => [name, input.file_path])).toEqual([
    ['Read', '/workspace/text.md'],
    ['Write', '/workspace/SUMMARY.md'],
  ])
  expect(answer).toBe('I wrote SUMMARY.md: the first 5 sentences of text.md. I am the scripted model, not an AI model.')
})

test.each([
  ['Read a/b.txt, and write a summary to c.md', { 'a/b.txt': 'One. Two' }, 'One. Two\n'],
  ['Please read b.txt and write a summary to c.md!', { 'b.txt': '# Only a heading' }, 'b.txt holds no sentence.\n'],
  ['Read b.txt and write a summary to c.md', { 'b.txt': 'New.', 'c.md': 'Old.' }, 'New.\n'],
])('%s', (text, given: Record<string, string>, summary) => {
  const files = { ...given }
  play([prompt(text)], workspace(files))
  expect(files['c.md']).toBe(summary)
})

test('a text that can’t be read is not summed up', () => {
  const { calls, answer } = play([ask], workspace({}))
  expect([calls.length, answer]).toEqual([1, expect.stringContaining('could not read text.md: File does not exist.')])
})

test('a summary that can’t be written is told, after one second try', () => {
  const files = workspace({ 'text.md': 'One.' })
  const { calls, answer } = play([ask], (name, input) =>
    name === 'Write' ? new Error('disk full') : files(name, input),
  )
  expect(calls.filter(({ name }) => name === 'Write')).toHaveLength(2)
  expect(answer).toContain('could not write SUMMARY.md: disk full')
})

test('with only a shell the same files are read and written', () => {
  const commands: string[] = []
  const shell: Tool = (_, { command }) => {
    commands.push(String(command))
    return commands.length === 1 ? 'One. Two.' : ''
  }
  play([ask], shell, { tools: [{ name: 'Bash' }] })
  expect(commands[0]).toBe("head -c 20000 'text.md'")
  expect(commands[1]).toMatch(/^cat > 'SUMMARY\.md' <<'END_OF_FILE'\nOne\. Two\.\n/)
})
