import type { OrchestratorConfig } from '@tutti/config'
import { defaultSettings, type OrchestratorSettings } from '../settings.ts'

/** What the configuration means to the server. */
export const serverSettings = (config: OrchestratorConfig): OrchestratorSettings => ({
  ...defaultSettings,
  accessLog: config.uvicornAccessLog,
  pollWaitMs: config.workerPollTimeoutSeconds * 1000,
  timeZone: config.tz,
  workerAuthMode: config.workerAuthMode,
  workerSignatures: config.workerSignatures,
  strictEvents: config.strictEventValidation,
  ...ratesOf(config),
  detailedAnswers: config.detailedApiResponses,
  webhookAllowPrivate: config.webhookAllowPrivate,
  metricsToken: config.metricsToken,
  enableClientApi: config.enableClientApi,
  clientApiPrefix: config.clientApiPrefix,
  reloadWithAnyClient: config.reloadWithAnyClient,
})

const ratesOf = (config: OrchestratorConfig): Pick<OrchestratorSettings, 'workerRates' | 'clientRate'> => {
  if (!config.rateLimitingEnabled) return { workerRates: null, clientRate: null }
  const periodMs = config.rateLimitPeriod * 1000
  return {
    clientRate: { count: config.rateLimitLimit, perMs: periodMs },
    workerRates: {
      periodMs,
      poll: config.rateLimitPollLimit,
      heartbeat: config.rateLimitHeartbeatLimit,
      registration: config.rateLimitLimit,
      event: config.rateLimitLimit,
    },
  }
}
