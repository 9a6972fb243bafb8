/** Finding the stack that a command talks to: the one named by the environment, or the one on the data directory. */
import { type Client, createClient, createWorkbench, type Workbench } from '@tutti/client'
import { findRunning } from './stack/data-dir.ts'
import type { Environment } from './stack/process.ts'

export class NotRunningError extends Error {
  override readonly name = 'NotRunningError'
}

/** Of an orchestrator: all that jobs need. */
export interface JobsAddress {
  apiUrl: string
  clientToken: string
}

/** Of a backend: all that sessions need. */
export interface SessionsAddress {
  backendUrl: string
  /** Undefined: a backend that serves its own machine only may ask for none. */
  clientToken: string | undefined
}

/** @returns undefined when neither the environment nor the data directory knows of one */
export const findBackend = async (env: Environment, dataDir: string): Promise<SessionsAddress | undefined> => {
  const running = await findRunning(dataDir)
  const backendUrl = env.TUTTI_BACKEND_URL || running?.backendUrl
  return backendUrl ? { backendUrl, clientToken: env.TUTTI_CLIENT_TOKEN || running?.clientToken } : undefined
}

/** Of both. */
export interface Address extends JobsAddress {
  backendUrl: string
}

/** @throws NotRunningError saying how to start one or name one */
export const demandBackend = async (env: Environment, dataDir: string): Promise<SessionsAddress> => {
  const address = await findBackend(env, dataDir)
  if (!address)
    throw new NotRunningError(
      `no stack runs on ${dataDir}: start one with npm start, or name a backend with TUTTI_BACKEND_URL and TUTTI_CLIENT_TOKEN`,
    )
  return address
}

/** @throws NotRunningError saying how to start one or name one */
export const demandOrchestrator = async (env: Environment, dataDir: string): Promise<JobsAddress> => {
  const address = jobsAddress(env, await findRunning(dataDir))
  if (!address)
    throw new NotRunningError(
      `no stack runs on ${dataDir}: start one with npm start, or name an orchestrator with TUTTI_API_URL and TUTTI_CLIENT_TOKEN`,
    )
  return address
}

const jobsAddress = (env: Environment, running: Partial<JobsAddress> | undefined): JobsAddress | undefined => {
  const clientToken = env.TUTTI_CLIENT_TOKEN || running?.clientToken
  const apiUrl = env.TUTTI_API_URL || running?.apiUrl
  return clientToken && apiUrl ? { apiUrl, clientToken } : undefined
}

export const clientOf = ({ apiUrl, clientToken }: JobsAddress): Client =>
  createClient({ url: apiUrl, token: clientToken })

export const workbenchOf = ({ backendUrl, clientToken }: SessionsAddress): Workbench =>
  createWorkbench({ url: backendUrl, token: clientToken })
