/** The document as a page: one file, no script, nothing from elsewhere, so that it works behind any firewall. */
import { isNode, type SchemaNode, schemaText } from './schema-text.ts'

export interface OpenApiDocument {
  info: { title: string; description?: string }
  tags?: { name: string; description?: string }[]
  paths: Record<string, Record<string, Operation>>
  components?: { schemas?: Record<string, unknown> }
}

interface Operation {
  tags?: string[]
  summary?: string
  description?: string
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema?: unknown }[]
  requestBody?: { content?: Content }
  responses?: Record<string, { description?: string; content?: Content }>
}
type Content = Record<string, { schema?: unknown }>

/** An address that a blueprint chose for itself. */
export interface Endpoint {
  blueprint: string
  version: number
  path: string
  inputSchema: SchemaNode | null
}

interface Place {
  path: string
  method: string
  operation: Operation
}

/** @param endpoints null where the server has no blueprints */
export const docsPage = (document: OpenApiDocument, endpoints: Endpoint[] | null, documentUrl: string): string => {
  const { info, tags = [], paths, components = {} } = document
  const places = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Place => ({ path, method, operation })),
  )
  const names = [
    ...new Set([...tags.map(({ name }) => name), ...places.flatMap(({ operation }) => operation.tags ?? [])]),
  ]
  const groups = names
    .map((name) => ({
      name,
      description: tags.find((tag) => tag.name === name)?.description ?? '',
      places: places.filter(({ operation }) => operation.tags?.includes(name)),
    }))
    .filter((group) => group.places.length > 0)
  const schemas = Object.entries(components.schemas ?? {})
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(info.title)}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${text(info.title)}</h1>
<p>${prose(info.description ?? '')}</p>
<p>The same for programs: <a href="${text(documentUrl)}">OpenAPI 3.1</a>.</p>
</header>
<nav aria-label="Sections"><ul>
${endpoints === null ? '' : '<li><a href="#endpoints">endpoints of blueprints</a></li>\n'}${groups.map(({ name }) => `<li><a href="#${anchor(name)}">${text(name)}</a></li>`).join('\n')}
<li><a href="#messages">messages</a></li>
</ul></nav>
<main>
${endpoints === null ? '' : endpointsHtml(endpoints)}
${groups.map(groupHtml).join('\n')}
<section id="messages">
<h2>Messages</h2>
${schemas.map(([name, schema]) => `<details id="${anchor(name)}"><summary><code>${text(name)}</code></summary><pre tabindex="0">${text(schemaText(schema))}</pre></details>`).join('\n')}
</section>
</main>
</body>
</html>
`
}

const endpointsHtml = (endpoints: Endpoint[]): string => `<section id="endpoints">
<h2>Endpoints of blueprints</h2>
${endpoints.length === 0 ? '<p>No blueprint has an endpoint of its own.</p>' : endpoints.map(endpointHtml).join('\n')}
</section>`

const endpointHtml = ({ blueprint, version, path, inputSchema }: Endpoint): string => `<details>
<summary>${verb('post')} <code>${breakable(path)}</code> <span>Create a job of ${text(blueprint)}, version ${version}</span></summary>
<h4>Body</h4>
<pre tabindex="0">${text(`{\n  initial_data: ${inputSchema === null ? 'object' : schemaText(inputSchema, '  ')}\n}`)}</pre>
</details>`

const groupHtml = ({ name, description, places }: { name: string; description: string; places: Place[] }): string =>
  `<section id="${anchor(name)}">
<h2>${text(name)}</h2>
<p>${prose(description)}</p>
${places.map(placeHtml).join('\n')}
</section>`

const placeHtml = ({ path, method, operation }: Place): string => {
  const { summary = '', description, parameters = [], requestBody, responses = {} } = operation
  return `<details>
<summary>${verb(method)} <code>${breakable(path)}</code> <span>${text(summary)}</span></summary>
${description === undefined ? '' : `<p>${prose(description)}</p>`}
${parameters.length === 0 ? '' : `<h4>Parameters</h4><dl>${parameters.map(parameterHtml).join('')}</dl>`}
${contentHtml('Body', requestBody?.content)}
<h4>Answers</h4>
<dl>${Object.entries(responses)
    .map(
      ([status, { description: said = '', content }]) =>
        `<dt>${text(status)}</dt><dd>${prose(said === 'Default Response' ? '' : said)}${contentHtml('', content)}</dd>`,
    )
    .join('')}</dl>
</details>`
}

const parameterHtml = ({
  name,
  in: where,
  required,
  description,
  schema,
}: NonNullable<Operation['parameters']>[number]): string =>
  `<dt><code>${text(name)}</code></dt><dd>${text(where)}${required ? ', needed' : ''}: <code>${text(schemaText(schema))}</code>${
    description === undefined ? '' : ` ${prose(description)}`
  }</dd>`

const contentHtml = (title: string, content: Content | undefined): string =>
  Object.entries(content ?? {})
    .map(([type, { schema }]) => {
      const body = isNode(schema) && typeof schema.$ref === 'string' ? link(schema.$ref) : block(schemaText(schema))
      const heading = title === '' ? '' : `<h4>${title}</h4>`
      return `${heading}${type === 'application/json' ? '' : `<p><code>${text(type)}</code></p>`}${body}`
    })
    .join('')

const link = (reference: string): string => {
  const name = reference.split('/').at(-1) ?? reference
  return `<p><a href="#${anchor(name)}"><code>${text(name)}</code></a></p>`
}
const block = (code: string): string => `<pre tabindex="0">${text(code)}</pre>`
const verb = (method: string): string => `<b class="${text(method)}">${text(method.toUpperCase())}</b>`
const anchor = (name: string): string => name.replaceAll(/[^A-Za-z0-9]+/g, '-')
const text = (value: string): string => value.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`)
/** What stands between backticks is code. */
const prose = (value: string): string => text(value).replaceAll(/`([^`]+)`/g, '<code>$1</code>')
/** A narrow screen may break a path after each slash. */
const breakable = (path: string): string => text(path).replaceAll('/', '/<wbr>')

const style = `
:root { color-scheme: light dark; --line: light-dark(#d5d5dc, #3b3b45); --soft: light-dark(#f4f4f7, #1d1d23); --quiet: light-dark(#55555f, #a9a9b5);
  --read: light-dark(#1d5fa8, #7db7f5); --make: light-dark(#21703a, #77cf91); --change: light-dark(#8a5300, #e5b15c); --remove: light-dark(#ab2633, #f0919a);
  font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; background: light-dark(#fff, #141418); color: light-dark(#1b1b21, #e9e9ee) }
h1 { font-size: 1.5rem } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; } h2::first-letter { text-transform: uppercase } h4 { margin: 1rem 0 .25rem; font-size: .9rem }
p { margin: .5rem 0; overflow-wrap: anywhere }
a { color: var(--read) }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: .5rem 0; margin: 0; list-style: none; border-block: 1px solid var(--line) }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; padding: 0 .75rem }
details[open] { padding-bottom: .75rem }
summary { cursor: pointer; padding: .5rem 0; overflow-wrap: anywhere }
summary span { color: var(--quiet) }
b { display: inline-block; min-width: 4.2em; font: 600 .8rem ui-monospace, monospace }
.get { color: var(--read) } .post, .put { color: var(--make) } .patch { color: var(--change) } .delete { color: var(--remove) }
code, pre { font: .875rem/1.45 ui-monospace, monospace }
pre { background: var(--soft); padding: .75rem; border-radius: 6px; overflow-x: auto; margin: .5rem 0 }
dl { display: grid; grid-template-columns: minmax(4rem, max-content) minmax(0, 1fr); gap: .25rem 1rem; margin: .25rem 0 }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere } dd p { margin: 0 }
@media (max-width: 30rem) { dl { grid-template-columns: minmax(0, 1fr); gap: 0 } dd { margin: 0 0 .5rem } }
`
