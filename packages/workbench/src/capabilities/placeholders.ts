/** `${VAR}`, `${env:VAR}` and `${VAR:-default}` in the configuration of MCP servers. Pure. */
import { type McpServer, type McpServerTemplate, placeholder } from '@tutti/contracts'

/** The names that stand in it. */
export const namesIn = (server: McpServerTemplate): string[] => [
  ...new Set(
    textsOf(server).flatMap(([, text]) =>
      [...text.matchAll(placeholder)].flatMap(([, escaped, name]) => (escaped === '' && name ? [name] : [])),
    ),
  ),
]

/** What is needed, and where it stands: `env.TOKEN`, `args[1]`. */
export interface Unset {
  name: string
  where: string
}

/** A default stands for what is not set. What a secret holds is never read again for placeholders. */
export const filled = (
  server: McpServerTemplate,
  secret: (name: string) => string | undefined,
): { server: McpServer; unset: Unset[] } => {
  const unset: Unset[] = []
  const fill = (where: string, text: string): string =>
    text.replaceAll(placeholder, (whole: string, escaped: string, name: string, fallback: string | undefined) => {
      if (escaped !== '') return whole.slice(1)
      const value = secret(name) ?? fallback
      if (value === undefined) unset.push({ name, where })
      return value ?? ''
    })
  return { server: mapped(server, fill), unset }
}

type Change = (where: string, text: string) => string

const mapped = (server: McpServerTemplate, change: Change): McpServer => {
  const all = (at: string, texts: Record<string, string>): Record<string, string> =>
    Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, change(`${at}.${name}`, text)]))
  if (server.type === 'http') {
    const { url, headers } = server
    return {
      type: 'http',
      url: change('url', url),
      ...(headers === undefined ? {} : { headers: all('headers', headers) }),
    }
  }
  const { command, args, env } = server
  return {
    type: 'stdio',
    command: change('command', command),
    ...(args === undefined ? {} : { args: args.map((text, at) => change(`args[${at}]`, text)) }),
    ...(env === undefined ? {} : { env: all('env', env) }),
  }
}

const textsOf = (server: McpServerTemplate): [where: string, text: string][] => {
  const texts: [string, string][] = []
  mapped(server, (where, text) => {
    texts.push([where, text])
    return text
  })
  return texts
}
