import { describe, expect, test } from 'vitest'
import { createMarkdownReader } from '../src/markdown.ts'

const read = (text: string) => {
  const targets: string[] = []
  const reader = createMarkdownReader((target) => targets.push(target))
  for (const line of text.split('\n')) reader.line(line)
  return { ...reader.counts(), targets }
}

describe('headings', () => {
  test.each([
    ['# one\n## two ##\n###### six\n#\n   ### indented', 5],
    ['#none\n####### seven\n    # code\n\\# escaped', 0],
    ['Title\n=====\n\nSub title\n---\n', 2],
    ['two lines\nof text\n---', 1],
    ['\n---\n\ntext\n\n---\n***', 0],
    ['- item\n---\n> quote\n---\n1. one\n---\n| a |\n---', 0],
    ['# heading\n---\n', 1],
    ['```\n# code\n```\n# real', 1],
    ['~~~ md\n# code\n```\n# still code\n~~~~\n# real', 1],
    ['````\n```\n# code\n````\n# real', 1],
    ['- item\n\n  ```sh\n  # comment\n  ```\n\n# real', 1],
    ['``` not a ``` fence\n# real', 1],
    ['---\ntitle: x\n---\n# real', 1],
    ['```\n# a fence that is never closed', 0],
  ])('%j has %i', (text, headings) => {
    expect(read(text).headings).toBe(headings)
  })
})

describe('links', () => {
  test.each([
    ['[a](b.md) and ![c](d.png "title")', ['b.md', 'd.png']],
    ['[![badge](i.svg)](https://x.org)', ['i.svg', 'https://x.org']],
    ['[a](<with space.md>) [b](p(1).md) [c]( spaced.md )', ['with space.md', 'p(1).md', 'spaced.md']],
    ['`[a](b)` ``[c](`d)`` [e](f) `unclosed [g](h)', ['f', 'h']],
    ['\\[a](b) [a\\](b) c](d)', ['d']],
    ['[a] (b) ](c) [d]()', []],
    ['[text that goes\non](x.md)', ['x.md']],
    ['[open\n\non](x.md)', []],
    ['[id]: target.md "title"\n[x y]: <a b.md>\n[^1]: a footnote', ['target.md', 'a b.md']],
    ['see [text][id] and [id]', []],
    ['```\n[a](b)\n[c]: d\n```\n', []],
    ['[a](b "x") [c](d)', ['b', 'd']],
  ])('%j', (text, targets) => {
    expect(read(text)).toMatchObject({ targets, links: targets.length })
  })
})

test.each([
  ['brackets', '](['.repeat(22_000)],
  ['opened targets', '[]('.repeat(22_000)],
  ['backticks of many lengths', Array.from({ length: 350 }, (_, n) => '`'.repeat(n + 1)).join(' ')],
  ['single backticks and pairs', '` `` '.repeat(13_000)],
  ['escapes in a reference', `[${'\\]'.repeat(30_000)}`],
  ['dashes', '- '.repeat(32_000)],
  ['spaces before nothing', ' '.repeat(65_000)],
])('hostile-line-of-%s-is-read-in-passing', (_name, line) => {
  expect(() => read(`text\n${line}\n${line}`)).not.toThrow()
})
