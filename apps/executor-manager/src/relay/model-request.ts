/** Whether a request of the agent may go to the provider. Nothing passes that is not named here. */

export interface AllowedRequest {
  model: string
  stream: boolean
  /** The longest answer that it asks for. */
  maxTokens: number
}

export interface Refusal {
  status: number
  type: 'invalid_request_error' | 'not_found_error' | 'permission_error'
  message: string
}

/** What may be asked of the provider, by method and path. */
export const endpointOf = (method: string | undefined, path: string): 'ask' | 'count' | 'models' | undefined => {
  if (method === 'POST' && path === '/v1/messages') return 'ask'
  if (method === 'POST' && path === '/v1/messages/count_tokens') return 'count'
  return method === 'GET' && path === '/v1/models' ? 'models' : undefined
}

/** Longer names are no models. */
const longestName = 200

/** Where a request does not say it; the provider then refuses it itself. */
const mostTokens = 64_000

/** Reads the request's model and decides. */
export const checkRequest = (body: string, allowed: (model: string) => boolean): AllowedRequest | Refusal => {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return invalid('The request body is not JSON.')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return invalid('The request is no object.')
  // Two fields of one name, or `Model` beside `model`: we would check one and the provider might read the other.
  if (topLevelNames(body).filter((name) => name.toLowerCase() === 'model').length > 1) {
    return invalid('The request names its model twice.')
  }
  const model = 'model' in value ? value.model : undefined
  if (typeof model !== 'string' || model === '') return invalid('model: Field required')
  if (model.length > longestName || !allowed(model)) {
    const message = `The model ${JSON.stringify(model.slice(0, 100))} is not allowed in this run.`
    return { status: 403, type: 'permission_error', message }
  }
  const asked = 'max_tokens' in value ? value.max_tokens : undefined
  const maxTokens = typeof asked === 'number' && Number.isSafeInteger(asked) && asked >= 0 ? asked : mostTokens
  return { model, stream: 'stream' in value && value.stream === true, maxTokens }
}

const invalid = (message: string): Refusal => ({ status: 400, type: 'invalid_request_error', message })

/** The names of an object's own fields as they stand in valid JSON text, repetitions included. */
export const topLevelNames = (text: string): string[] => {
  const names: string[] = []
  let depth = 0
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at)
    if (char === openBrace || char === openBracket) depth += 1
    else if (char === closeBrace || char === closeBracket) depth -= 1
    else if (char === quote) {
      const end = endOfString(text, at)
      if (depth === 1 && isName(text, end + 1)) names.push(String(JSON.parse(text.slice(at, end + 1))))
      at = end
    }
  }
  return names
}

const [openBrace, closeBrace, openBracket, closeBracket, quote, backslash] = [123, 125, 91, 93, 34, 92]

/** A string with a colon behind it, however far behind. */
const isName = (text: string, after: number): boolean => {
  let at = after
  while (/\s/.test(text.charAt(at))) at += 1
  return text.charAt(at) === ':'
}

const endOfString = (text: string, start: number): number => {
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text.charCodeAt(at)
    if (char === backslash) at += 1
    else if (char === quote) return at
  }
  return text.length
}
