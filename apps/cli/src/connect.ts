/** Finding the stack that a command talks to: the one named by the environment, or the one on the data directory. */
import { type Client, createClient, createWorkbench, type Workbench } from '@tutti/client'
import { findRunning } from './stack/data-dir.ts'
import type { Environment } from './stack/process.ts'

export class NotRunningError extends Error {
  override readonly name = 'NotRunningError'
}

export interface Address {
  apiUrl: string
  backendUrl: string
  clientToken: string
}

/** @returns undefined when neither the environment nor the data directory knows of one */
export const findStack = async (env: Environment, dataDir: string): Promise<Address | undefined> => {
  const running = await findRunning(dataDir)
  const clientToken = env.TUTTI_CLIENT_TOKEN || running?.clientToken
  const apiUrl = env.TUTTI_API_URL || running?.apiUrl
  const backendUrl = env.TUTTI_BACKEND_URL || running?.backendUrl
  if (!clientToken || !apiUrl || !backendUrl) return undefined
  return { apiUrl, backendUrl, clientToken }
}

/** @throws NotRunningError saying how to start one or name one */
export const demandStack = async (env: Environment, dataDir: string): Promise<Address> => {
  const address = await findStack(env, dataDir)
  if (!address)
    throw new NotRunningError(
      `no stack runs on ${dataDir}: start one with npm start, or name one with TUTTI_API_URL, TUTTI_BACKEND_URL and TUTTI_CLIENT_TOKEN`,
    )
  return address
}

export const clientOf = ({ apiUrl, clientToken }: Address): Client => createClient({ url: apiUrl, token: clientToken })

export const workbenchOf = ({ backendUrl, clientToken }: Address): Workbench =>
  createWorkbench({ url: backendUrl, token: clientToken })
