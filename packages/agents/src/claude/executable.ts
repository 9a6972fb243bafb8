/** Where the Claude Code executable is: an optional package of the agent SDK, one per platform. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

export interface Platform {
  platform: string
  arch: string
  /** True where the C library is musl (Alpine): the usual build does not start there. */
  musl: boolean
}

const thisPlatform = (): Platform => {
  const header: unknown = process.report.getReport()
  const glibc =
    typeof header === 'object' &&
    header !== null &&
    'header' in header &&
    'glibcVersionRuntime' in Object(header.header)
  return { platform: process.platform, arch: process.arch, musl: process.platform === 'linux' && !glibc }
}

/** The package that holds the executable for a platform. */
export const executablePackage = ({ platform, arch, musl }: Platform): string =>
  `@anthropic-ai/claude-agent-sdk-${platform}-${arch}${musl ? '-musl' : ''}`

const fileName = (platform: string): string => (platform === 'win32' ? 'claude.exe' : 'claude')

/**
 * The absolute path of the Claude Code executable that npm installed.
 * Throws with the remedy when it is not there, since without it every run would fail later and further from the cause.
 */
export const resolveClaudeExecutable = (target: Platform = thisPlatform()): string => {
  const name = executablePackage(target)
  // Resolved from the SDK, which depends on it: a package manager need not make it visible to anyone else.
  const require = createRequire(createRequire(import.meta.url).resolve('@anthropic-ai/claude-agent-sdk'))
  for (const folder of require.resolve.paths(name) ?? []) {
    const path = join(folder, name, fileName(target.platform))
    if (existsSync(path)) return path
  }
  throw new Error(
    `The package ${name}, which holds the Claude Code executable, is not installed. ` +
      'It is an optional dependency: run `npm install` without `--omit=optional` on this platform.',
  )
}
