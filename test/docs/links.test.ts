/** Every relative link of the documentation leads to a file that is there, and to a heading that is in it. */
import { access, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'
import { markdownBelow, repository } from './support/repository.ts'

const documents = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'],
  ...(await markdownBelow('docs')),
]

const withoutCode = (markdown: string): string =>
  markdown.replaceAll(/^(`{3,})[\s\S]*?^\1[ \t]*$/gm, '').replaceAll(/`[^`\n]*`/g, 'code')

const linksIn = (markdown: string): string[] =>
  [...withoutCode(markdown).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/i.test(target))

/** As GitHub makes an anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-')

const anchorsIn = (markdown: string): string[] => {
  const text = markdown.replaceAll(/^(`{3,})[\s\S]*?^\1[ \t]*$/gm, '')
  return [...text.matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading = '']) => anchorOf(heading))
}

const faultOf = async (document: string, link: string): Promise<string | undefined> => {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? document : normalize(join(dirname(document), path))
  const there = await access(join(repository, target)).then(
    () => true,
    () => false,
  )
  if (!there) return `${document}: ${link} leads to ${target}, which does not exist`
  if (anchor === undefined || !target.endsWith('.md')) return undefined
  const anchors = anchorsIn(await readFile(join(repository, target), 'utf8'))
  return anchors.includes(anchor) ? undefined : `${document}: ${target} has no heading for #${anchor}`
}

for (const document of documents)
  test(`links lead somewhere: ${document}`, async () => {
    const links = linksIn(await readFile(join(repository, document), 'utf8'))
    const faults = await Promise.all(links.map((link) => faultOf(document, link)))
    expect(faults.filter((fault) => fault !== undefined)).toEqual([])
  })
