import { expect, test } from 'vitest'
import { createSignedLinks, decisionPage } from '../src/index.ts'

const key = 'key-of-tests-'.repeat(3)
const links = createSignedLinks<[id: string, to: string]>(key, 'letters')

test('a-link-says-what-was-written-into-it-until-it-expires-and-the-same-one-every-time', () => {
  const token = links.write(['7', 'ops'], 1_000)
  expect(links.write(['7', 'ops'], 1_000)).toBe(token)
  expect(links.read(token, 999)).toEqual({ says: ['7', 'ops'], expiresAt: 1_000 })
  expect(links.read(token, 1_000)).toBeNull()
})

test('nothing-is-read-that-was-changed-cut-or-written-elsewhere-or-for-another-purpose', () => {
  const [payload = '', proof = ''] = links.write(['7', 'ops'], 1_000).split('.')
  const other = Buffer.from(JSON.stringify(['8', 'ops', 1_000])).toString('base64url')
  for (const token of [
    `${other}.${proof}`,
    payload,
    `${payload}.`,
    `.${proof}`,
    '',
    'x.y',
    `${payload}.${proof.slice(1)}`,
  ])
    expect(links.read(token, 0)).toBeNull()
  for (const stranger of [createSignedLinks(key, 'cards'), createSignedLinks(`${key}!`, 'letters')])
    expect(links.read(stranger.write(['7', 'ops'], 1_000), 0)).toBeNull()
})

test('a-page-shows-whatever-an-agent-wrote-as-text', () => {
  const evil = '"><script>alert(1)</script>'
  const page = decisionPage({
    ...{ title: evil, message: evil, decisions: [evil], facts: [[evil, evil]] },
    questions: [{ text: evil, multiple: true, options: [{ label: evil, description: evil }] }],
  })
  expect(page).not.toContain('<script')
  expect(page.match(/&#62;&#60;script/g)?.length).toBeGreaterThanOrEqual(8)
})
