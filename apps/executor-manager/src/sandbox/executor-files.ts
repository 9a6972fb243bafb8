/**
 * What of this installation a sandbox gets to see, read-only: the program that runs the turn, the packages that it
 * imports, Node and the agent's executable. Never the whole checkout: settings, keys and data may lie beside the code.
 */
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { resolveClaudeExecutable } from '@tutti/agents'
import type { ManagerConfig } from '@tutti/config'
import type { Mount } from '@tutti/sandbox'

export interface ExecutorFiles {
  mounts: Mount[]
  /** As seen from inside. */
  command: string[]
  /** Loads what the executor loads, and ends. */
  warmUp: string[]
  /** The agent's executable, as seen from inside. */
  claude: string
  /** Searched for commands, inside. */
  path: string
}

const root = '/opt/tutti'
const node = '/opt/node/bin/node'
const claude = '/opt/claude/claude'

/** Folders of the checkout whose code runs inside. */
const needed = ['apps/executor', 'packages/agents', 'packages/contracts']

const inside = {
  command: [node, `${root}/apps/executor/src/main.ts`],
  warmUp: [node, `${root}/apps/executor/src/warm-up.ts`],
  claude,
  path: `${dirname(node)}:/usr/local/bin:/usr/bin:/bin`,
}

/**
 * On this host, or at the same paths in the image of the sandboxes, which then mounts nothing of ours. Throws with the
 * remedy where the agent's executable is not installed on this host and would have to be.
 */
export const findExecutor = (where: ManagerConfig['executorFiles']): ExecutorFiles => {
  if (where === 'image') return { mounts: [], ...inside }
  const checkout = fileURLToPath(new URL('../../../..', import.meta.url))
  const code = needed.flatMap((folder) =>
    // Tests and what else lies in a package's folder stay outside.
    ['src', 'package.json', 'node_modules']
      .map((part) => ({ from: join(checkout, folder, part), to: `${root}/${folder}/${part}` }))
      .filter(({ from }) => existsSync(from)),
  )
  const mounts = [
    { from: realpathSync(process.execPath), to: node },
    { from: realpathSync(resolveClaudeExecutable()), to: claude },
    { from: join(checkout, 'node_modules'), to: `${root}/node_modules` },
    ...code,
  ]
  return { mounts, ...inside }
}
