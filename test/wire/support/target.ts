/**
 * What the tests want of a server: its environment and its files, and with what the tests then come to it. It stands in one place, so that
 * the server that a test starts, the process of `npm run test:wire` and one elsewhere are asked for the same.
 */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '@tutti/stores/testing'

/** With what the tests come to a server. */
export interface Target {
  url: string
  /** A client with `plan = "premium"` and `languages = ["en", "fr"]`. */
  clientToken: string
  /** Another one, with `plan = "basic"` and `params = { languages = ["en"] }`. */
  otherToken: string
  /** One with `role = "operator"`. It registers the blueprints. */
  operatorToken: string
  /** One with `monthly_attempts` of 20 at most. */
  fewJobsToken: string
  /** One with a `rate_limit` of 20 requests in a minute at most. */
  fewRequestsToken: string
  /** The global token of workers. */
  workerToken: string
  /** ID:TOKEN, a worker with a token of its own. */
  ownWorker: string
}

/** By which variable each is told. */
export const variables: Readonly<Record<keyof Target, string>> = {
  url: 'TUTTI_WIRE_URL',
  clientToken: 'TUTTI_WIRE_CLIENT_TOKEN',
  otherToken: 'TUTTI_WIRE_OTHER_CLIENT_TOKEN',
  operatorToken: 'TUTTI_WIRE_OPERATOR_TOKEN',
  fewJobsToken: 'TUTTI_WIRE_FEW_JOBS_TOKEN',
  fewRequestsToken: 'TUTTI_WIRE_FEW_REQUESTS_TOKEN',
  workerToken: 'TUTTI_WIRE_WORKER_TOKEN',
  ownWorker: 'TUTTI_WIRE_OWN_WORKER',
}

/** The server that the environment names, or undefined. @throws Error that names every variable that is missing */
export const namedTarget = (env: NodeJS.ProcessEnv): Target | undefined => {
  if (!env[variables.url]) return undefined
  const missing = Object.values(variables).filter((name) => !env[name])
  if (missing.length > 0) throw new Error(`with ${variables.url} the tests need ${missing.join(', ')} as well`)
  const told = Object.fromEntries(Object.entries(variables).map(([field, name]) => [field, env[name]]))
  return { ...(told as unknown as Target), url: env[variables.url]?.replace(/\/+$/, '') ?? '' }
}

const tokens = {
  clientToken: 'user_token_vip',
  otherToken: 'user_token_regular',
  operatorToken: 'operator_token_of_the_wire',
  fewJobsToken: 'user_token_with_few_jobs',
  fewRequestsToken: 'user_token_with_few_requests',
  workerToken: 'secure-worker-token-0123456789',
}
const ownToken = 'token-of-the-one-with-its-own-0123456789'

export const clientsToml = `
[vip]
token = "${tokens.clientToken}"
plan = "premium"
languages = ["en", "fr"]

[regular]
token = "${tokens.otherToken}"
plan = "basic"
params = { languages = ["en"] }

[operator]
token = "${tokens.operatorToken}"
role = "operator"

[few-jobs]
token = "${tokens.fewJobsToken}"
monthly_attempts = 2

[few-requests]
token = "${tokens.fewRequestsToken}"
rate_limit = "3/1m"
`

/** Writes the files of such a server into the folder. Its environment lacks the store alone. */
export const prepareTarget = async (folder: string): Promise<{ env: Record<string, string>; target: Target }> => {
  const [clients, workers] = [join(folder, 'clients.toml'), join(folder, 'workers.toml')]
  await writeFile(clients, clientsToml)
  await writeFile(workers, `[with-its-own]\ntoken = "${ownToken}"\n`)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  return {
    target: { url, ...tokens, ownWorker: `with-its-own:${ownToken}` },
    env: {
      API_HOST: '127.0.0.1',
      API_PORT: String(port),
      PUBLIC_URL: url,
      CLIENTS_CONFIG_PATH: clients,
      WORKERS_CONFIG_PATH: workers,
      GLOBAL_WORKER_TOKEN: tokens.workerToken,
      WORKER_POLL_TIMEOUT_SECONDS: '1',
      WORKER_SIGNATURES: 'optional',
      TASK_FILES_DIR: join(folder, 'files'),
      LOG_LEVEL: 'ERROR',
    },
  }
}
