import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { play, prompt, type Tool } from './conversations.ts'

const ask = prompt('`measurement.json` and the folder under `folder/` are in the workspace. Write REPORT.md about it.')

const measurement = {
  files: 3,
  bytes: 4200,
  lines: 120,
  words: 1500,
  headings: 7,
  links: 5,
  broken_links: [{ file: 'guide.md', link: './missing.md' }],
  todos: [{ file: 'main.ts', line: 12, text: 'TODO: handle the rest' }],
  duplicates: [{ hash: 'abc', files: ['a.txt', 'b.txt'] }],
  largest: [
    { file: 'guide.md', bytes: 3000 },
    { file: 'main.ts', bytes: 900 },
    { file: 'logo.png', bytes: 300 },
  ],
  by_extension: { '.md': 1, '.ts': 1 },
}

/** As the agent's Read tool answers: numbered lines, and a reminder of the runtime's at the end. */
const numbered = (text: string): string =>
  `${text
    .split('\n')
    .map((line, index) => `${index + 1}\t${line}`)
    .join('\n')}\n\n<system-reminder>\nTokens left: 7\n</system-reminder>`

interface World {
  files: Record<string, string>
  fail?: (name: string, input: Record<string, unknown>) => string | undefined
}

/** The agent's tools over a few files, and what was written with them. */
const tools = ({ files, fail }: World): { tool: Tool; written: Map<string, string> } => {
  const written = new Map<string, string>()
  const tool: Tool = (name, input) => {
    const fault = fail?.(name, input)
    if (fault !== undefined) return new Error(fault)
    const path = String(input.file_path ?? '').replace('/workspace/', '')
    if (name === 'Read') return files[path] === undefined ? new Error('File does not exist.') : numbered(files[path])
    if (name === 'Glob') {
      const found = Object.keys(files).filter((file) => file.startsWith('folder/'))
      return found.length === 0 ? 'No files found' : found.map((file) => `/workspace/${file}`).join('\n')
    }
    if (name === 'Write') written.set(path, String(input.content))
    return 'ok'
  }
  return { tool, written }
}

const reportOf = (world: World): { report: string; calls: string[]; answer: string } => {
  const { tool, written } = tools(world)
  const { calls, answer } = play([ask], tool)
  return { report: written.get('REPORT.md') ?? '', calls: calls.map(({ name }) => name), answer }
}

const workspace = (folder: Record<string, string>, measured: unknown = measurement): World['files'] => ({
  'measurement.json': JSON.stringify(measured, null, 2),
  ...Object.fromEntries(Object.entries(folder).map(([name, text]) => [`folder/${name}`, text])),
})

describe('the report of the demonstration', () => {
  it('is made of what the tools said: the measurement’s numbers and the README’s own words', () => {
    const { report, calls, answer } = reportOf({
      files: workspace({ 'README.md': '# The Harbour\n\nShips come in at dawn.\n', 'main.ts': 'run()' }),
    })
    for (const part of ['4,200', '1,500', 'guide.md', './missing.md', 'main.ts:12', 'TODO: handle the rest']) {
      expect(report).toContain(part)
    }
    expect(report).toContain('headed “The Harbour”')
    expect(report).toContain('> Ships come in at dawn.')
    expect(report).toContain('`a.txt` = `b.txt`')
    expect(calls).toEqual(expect.arrayContaining(['TodoWrite', 'Read', 'Glob', 'Write']))
    expect(answer).toContain('3 files')
  })

  it('says plainly that no AI model wrote it, in the file and in the answer', () => {
    const { report, answer } = reportOf({ files: workspace({ 'README.md': 'x' }) })
    expect(report).toContain('written by the scripted model of Tutti, not by an AI model')
    expect(answer).toContain('not an AI model')
  })

  it('reads the two largest text files where there is no README', () => {
    const { report } = reportOf({
      files: workspace({ 'guide.md': '# Guide\n\nFirst words.', 'main.ts': 'run()', 'logo.png': '' }),
    })
    expect(report).toContain('headed “Guide”')
    expect(report).toContain('> run()')
    expect(report).not.toContain('`folder/logo.png` ')
  })

  it('prefers the README at the top to one deep in a dependency', () => {
    const { report } = reportOf({ files: workspace({ 'a/b/README.md': '# Deep', 'README.md': '# Top' }) })
    expect(report).toContain('“Top”')
    expect(report).not.toContain('“Deep”')
  })

  it('tells of an empty folder', () => {
    const { report, answer } = reportOf({ files: workspace({}, { files: 0 }) })
    expect(report).toContain('The folder holds no files.')
    expect(answer).toContain('no text file to quote')
  })

  it('goes on without a measurement and tells why its numbers are missing', () => {
    const { report, answer } = reportOf({ files: { 'folder/README.md': '# Alone' } })
    expect(report).toContain('File does not exist.')
    expect(report).toContain('“Alone”')
    expect(answer).toContain('went wrong')
  })

  it('still uses the counts of a measurement that was cut off', () => {
    const { report } = reportOf({
      files: { 'measurement.json': '{ "files": 12, "bytes": 99, "todos": [{ "file": "a', 'folder/README.md': 'x' },
    })
    expect(report).toContain('| Files | 12 |')
    expect(report).toContain('not complete JSON')
  })

  it('reports tools that fail, each with its reason', () => {
    const { report } = reportOf({
      files: workspace({ 'README.md': 'x' }),
      fail: (name, input) =>
        name === 'Glob' || String(input.file_path).includes('guide.md') ? 'permission denied' : undefined,
    })
    expect(report).toContain('Glob: permission denied')
    expect(report).toContain('`folder/guide.md` could not be read.')
  })

  it('reads an older REPORT.md first where the tool insists, then writes', () => {
    let refused = 0
    const { tool, written } = tools({
      files: { ...workspace({ 'README.md': 'x' }), 'REPORT.md': 'old' },
      fail: (name) => {
        if (name !== 'Write' || refused > 0) return undefined
        refused += 1
        return 'File has not been read yet.'
      },
    })
    const { answer } = play([ask], tool)
    expect(written.get('REPORT.md')).toContain('# Report')
    expect(answer).toContain('I wrote')
  })

  it('admits it when the report cannot be written, instead of trying for ever', () => {
    const { tool } = tools({
      files: workspace({ 'README.md': 'x' }),
      fail: (name) => (name === 'Write' ? 'disk full' : undefined),
    })
    expect(play([ask], tool).answer).toContain('could not write REPORT.md: disk full')
  })

  it('works with a shell alone', () => {
    const commands: string[] = []
    const tool: Tool = (_name, input) => {
      const command = String(input.command)
      commands.push(command)
      if (command.startsWith('head') && command.includes('measurement')) return JSON.stringify(measurement)
      if (command.startsWith('find')) return 'folder/README.md'
      return command.startsWith('head') ? '# Shell' : ''
    }
    const { answer } = play([ask], tool, { tools: [{ name: 'Bash' }] })
    expect(commands.at(-1)).toContain('“Shell”')
    expect(answer).toContain('I wrote')
  })

  it('does not take digits at the beginning of a file’s lines for line numbers', () => {
    const { tool, written } = tools({ files: workspace({ 'README.md': '1 apple\n2 pears' }) })
    play([ask], tool)
    expect(written.get('REPORT.md')).toContain('> 1 apple')
  })

  it('comes to an end and names itself, whatever is measured and whatever is in the files', () => {
    const anything = fc.record(
      Object.fromEntries(Object.keys(measurement).map((key) => [key, fc.jsonValue()])) as Record<
        string,
        fc.Arbitrary<unknown>
      >,
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(anything, fc.string(), fc.boolean(), (measured, text, broken) => {
        const { report } = reportOf({
          files: workspace({ 'README.md': text, 'b.md': text }, measured),
          fail: (name) => (broken && name === 'Read' ? text : undefined),
        })
        expect(report).toContain('scripted model')
      }),
    )
  })
})
