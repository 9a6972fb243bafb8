import type { ManagerConfig } from '@tutti/config'
import type { ModelAccess } from './deps.ts'

type ModelConfig = Pick<ManagerConfig, 'anthropicApiKey' | 'anthropicAuthToken' | 'anthropicBaseUrl' | 'defaultModel'>

/** A token is sent as a bearer token, a key in its own header: a gateway that knows one does not know the other. */
export const modelAccess = (config: ModelConfig): ModelAccess => ({
  baseUrl: config.anthropicBaseUrl,
  name: config.defaultModel,
  headers: keyHeaders(config),
})

const keyHeaders = ({ anthropicApiKey, anthropicAuthToken }: ModelConfig): Record<string, string> => {
  if (anthropicAuthToken !== '') return { authorization: `Bearer ${anthropicAuthToken}` }
  return anthropicApiKey === '' ? {} : { 'x-api-key': anthropicApiKey }
}
