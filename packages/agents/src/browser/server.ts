/** Playwright's MCP server, as the turn's runtime starts it: with the browser that runs already, and no other. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { McpServer } from '@tutti/contracts'
import type { Browser } from './browser.ts'

/** Its tools are called `mcp__browser__…`. */
export const browserServer = 'browser'

export const isBrowserTool = (tool: string): boolean => tool.startsWith(`mcp__${browserServer}__`)

export const browserMcp = ({ endpoint }: Browser, outputFolder: string): McpServer => {
  const require = createRequire(import.meta.url)
  const cli = join(dirname(require.resolve('@playwright/mcp/package.json')), 'cli.js')
  return {
    command: process.execPath,
    args: [cli, '--cdp-endpoint', endpoint, '--output-dir', outputFolder],
  }
}
