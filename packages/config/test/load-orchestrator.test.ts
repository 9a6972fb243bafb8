import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ConfigError, loadOrchestrator } from '../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'tutti-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
function file(text: string): string {
  files += 1
  const path = join(folder, `${files}.toml`)
  writeFileSync(path, text)
  return path
}

function faultsOf(env: Record<string, string>): ConfigError['faults'] {
  try {
    loadOrchestrator(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

describe('loading the orchestrator’s configuration', () => {
  it('shows the faults of the environment and of both files in one start', () => {
    const clients = file('[a]\n')
    const workers = file('[b]\ntoken = ""\n')
    const env = { API_PORT: 'x', CLIENTS_CONFIG_PATH: clients, WORKERS_CONFIG_PATH: workers }
    expect(faultsOf(env).map((fault) => fault.source)).toEqual(['environment', clients, workers])
  })

  it('tells “no file” from “a file with nobody in it”', () => {
    expect(loadOrchestrator({})).toMatchObject({ clients: null, workers: null })
    const env = { CLIENTS_CONFIG_PATH: file(''), WORKERS_CONFIG_PATH: file('') }
    expect(loadOrchestrator(env)).toMatchObject({ clients: [], workers: [] })
  })

  it('does not warn about CLIENT_TOKEN when a file switches it off', () => {
    const env = { CLIENTS_CONFIG_PATH: file(''), GLOBAL_WORKER_TOKEN: 'own' }
    expect(loadOrchestrator(env).warnings).toEqual([])
    expect(loadOrchestrator({ GLOBAL_WORKER_TOKEN: 'own' }).warnings).toHaveLength(1)
  })

  it.each([{ GLOBAL_WORKER_TOKEN: 'shared' }, {}])('refuses a worker whose own token is the global one', (env) => {
    const token = 'GLOBAL_WORKER_TOKEN' in env ? 'shared' : 'secure-worker-token'
    const path = file(`[gpu]\ntoken = "${token}"\n`)
    const [fault] = faultsOf({ ...env, WORKERS_CONFIG_PATH: path })
    expect(fault).toMatchObject({ source: path })
    expect(fault?.what).toContain('[gpu] has GLOBAL_WORKER_TOKEN')
  })
})
