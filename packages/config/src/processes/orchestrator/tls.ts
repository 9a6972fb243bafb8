/** The certificates of the server, read and tried at the start: a wrong one would else be found by the first caller. */
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { Fault } from '../../fault.ts'
import type { OrchestratorConfig } from '../orchestrator.ts'

/** As `https.createServer` takes them. */
export interface TlsFiles {
  cert: Buffer
  key: Buffer
  /** Who signs callers' certificates; `null`: callers' certificates are not asked for. */
  ca: Buffer | null
  requireClientCert: boolean
}

export function readTls(known: Partial<OrchestratorConfig>, faults: Fault[]): TlsFiles | null {
  const { tlsEnabled, tlsCertPath = '', tlsKeyPath = '', tlsCaPath = '', tlsRequireClientCert = false } = known
  const say = (variable: string, what: string, remedy: string): void => {
    faults.push({ source: 'environment', variable, what, remedy })
  }
  if (known.workerAuthMode === 'mtls-only' && (tlsEnabled === false || tlsCaPath === ''))
    say(
      'WORKER_AUTH_MODE',
      'WORKER_AUTH_MODE=mtls-only lets no worker in without TLS_ENABLED and TLS_CA_PATH',
      'Set both, or WORKER_AUTH_MODE=mixed.',
    )
  if (tlsEnabled !== true) return null
  for (const [name, path] of [
    ['TLS_CERT_PATH', tlsCertPath],
    ['TLS_KEY_PATH', tlsKeyPath],
  ] as const)
    if (path === '') say(name, `TLS_ENABLED is on, and ${name} is not set`, 'Set it to the path of a PEM file.')
  if (tlsRequireClientCert && tlsCaPath === '')
    say(
      'TLS_CA_PATH',
      'TLS_REQUIRE_CLIENT_CERT is on, and TLS_CA_PATH is not set',
      'Set it to the authorities’ PEM file.',
    )

  const read = (name: string, path: string): Buffer | null => {
    if (path === '') return null
    try {
      return readFileSync(path)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      say(
        name,
        `${name}=${JSON.stringify(path)} can’t be read (${code})`,
        'Correct the path, or the file’s permissions.',
      )
      return null
    }
  }
  const cert = read('TLS_CERT_PATH', tlsCertPath)
  const key = read('TLS_KEY_PATH', tlsKeyPath)
  const ca = read('TLS_CA_PATH', tlsCaPath)
  if (cert === null || key === null) return null
  try {
    createSecureContext({ cert, key, ...(ca === null ? {} : { ca }) })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    say(
      'TLS_CERT_PATH',
      `certificate and key can’t be used together: ${reason}`,
      'Give PEM files that belong together.',
    )
    return null
  }
  return { cert, key, ca, requireClientCert: tlsRequireClientCert }
}
