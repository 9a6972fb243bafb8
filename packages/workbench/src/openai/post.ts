/** One request to an OpenAI-compatible address. */

export interface OpenAiEndpoint {
  /** With its version, such as `https://api.openai.com/v1`. */
  baseUrl: string
  /** Empty where a server of one's own asks for none. */
  apiKey: string
}

/** The provider does not take the request, and would not take it again: a wrong key, an unknown model, an answer that holds nothing. */
export class ProviderRefusedError extends Error {
  override readonly name = 'ProviderRefusedError'
}

/**
 * @param what for messages: `the model for titles`
 * @param signal also of the caller's patience
 * @returns the body of the answer
 * @throws ProviderRefusedError when asking again would not help; any other Error when it may
 */
export const postOpenAi = async (
  { baseUrl, apiKey }: OpenAiEndpoint,
  path: string,
  body: string,
  { what, signal }: { what: string; signal: AbortSignal },
): Promise<string> => {
  const response = await fetch(`${baseUrl}${path}`, {
    method: 'POST',
    // An address that leads elsewhere is a mistake of its configuration: what was said is not sent on to a stranger.
    redirect: 'error',
    headers: { ...(apiKey === '' ? {} : { authorization: `Bearer ${apiKey}` }), 'content-type': 'application/json' },
    body,
    signal,
  })
  const said = await response.text()
  if (response.ok) return said
  const passes = response.status >= 500 || [408, 425, 429].includes(response.status)
  const message = `${what} answered ${response.status}`
  throw passes ? new Error(message) : new ProviderRefusedError(message)
}
