import type { Fault } from '../fault.ts'
import type { BackendConfig } from './backend.ts'

/** Without a token whoever reaches the port is the user; on a loopback address that is this machine only. */
export function openToNetwork({ host, clientToken }: Partial<BackendConfig>): Fault | null {
  if (host === undefined || clientToken !== '' || isLoopback(host)) return null
  return {
    ...{ source: 'environment', variable: 'CLIENT_TOKEN' },
    what: `HOST=${host} can be reached from other machines, and there is no log-in`,
    remedy: 'Set CLIENT_TOKEN, or HOST=127.0.0.1.',
  }
}

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
