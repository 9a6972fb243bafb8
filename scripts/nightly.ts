/**
 * What is too slow, or needs too much installed, for every change: `npm run nightly`, as root. A real Docker Engine beside the
 * suite of bubblewrap, every attempt to escape in both, the images and the stack of deploy/, a user's first day, twenty thousand hostile
 * requests, and a thousand kills.
 */
import { spawnSync } from 'node:child_process'

const parts = [
  'test:walk',
  'test:docker',
  'test:deploy',
  'fuzz -- --count 20000',
  'chaos -- --kills 1000',
  'chaos -- --kills 200 --store folder',
]

const failed = parts.filter((part) => {
  const began = performance.now()
  const { status } = spawnSync('npm', ['run', '--silent', ...part.split(' ')], { stdio: 'inherit' })
  console.log(
    `${part}: ${status === 0 ? 'passed' : 'failed'} after ${Math.round((performance.now() - began) / 1000)} s`,
  )
  return status !== 0
})
if (failed.length > 0) process.exitCode = 1
