import type { Fault } from '../fault.ts'
import type { BackendConfig } from './backend.ts'

/** The provider of titles takes nothing without its key; every memory would be tried again and again. */
export function keylessEmbeddings(config: Partial<BackendConfig>): Fault | null {
  const { memoryEmbeddingModel: model, memoryEmbeddingBaseUrl: baseUrl, openaiApiKey: key } = config
  if (!model || baseUrl !== '' || key !== '') return null
  return {
    ...{ source: 'environment', variable: 'MEMORY_EMBEDDING_MODEL' },
    what: `MEMORY_EMBEDDING_MODEL=${model} has no address that it can be asked at`,
    remedy: 'Set MEMORY_EMBEDDING_BASE_URL, or OPENAI_API_KEY for the model at OPENAI_BASE_URL.',
  }
}
