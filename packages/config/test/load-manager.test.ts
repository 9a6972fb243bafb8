import { describe, expect, it } from 'vitest'
import { ConfigError, loadManager } from '../src/index.ts'

const least = {
  ...{ TUTTI_ENV: 'development', BACKEND_URL: 'http://backend:8000', WORKSPACE_ROOT: '/srv/w' },
  INTERNAL_API_TOKEN: 'internal-token-of-tests',
}
const faults = (env: Record<string, string>): string => {
  try {
    loadManager({ ...least, ...env })
    return ''
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
}

describe('the sandbox of a manager', () => {
  it('in-a-network-that-does-not-lead-to-the-manager-is-refused-at-the-start', () => {
    const docker = { SANDBOX: 'docker', SANDBOX_DOCKER_NETWORK: 'bridge' }
    expect(faults(docker)).toContain('cannot reach this manager on 127.0.0.1')
    expect(faults({ ...docker, MANAGER_HOST: '172.17.0.1' })).toBe('')
    // Where it has no effect it does no harm.
    expect(faults({ ...docker, SANDBOX: 'bubblewrap' })).toBe('')
  })

  it('in-the-hosts-own-network-or-another-containers-is-refused', () => {
    for (const SANDBOX_DOCKER_NETWORK of ['host', 'container:other', '-x'])
      expect(faults({ SANDBOX: 'docker', SANDBOX_DOCKER_NETWORK })).toContain('SANDBOX_DOCKER_NETWORK')
  })

  it('is-given-an-address-for-its-callbacks-that-means-one-thing', () => {
    for (const address of ['https://host:8001', 'http://host:8001/path', 'ftp://host', 'http://user@host', 'host:8001'])
      expect(faults({ CALLBACK_BASE_URL: address })).toContain('CALLBACK_BASE_URL')
    const { config } = loadManager({ ...least, CALLBACK_BASE_URL: 'http://10.0.0.1:8001/' })
    expect(config.callbackBaseUrl).toBe('http://10.0.0.1:8001')
    expect(loadManager(least).config.callbackBaseUrl).toBe('http://host.docker.internal:8001')
  })

  it('of-kubernetes-is-refused-with-what-there-is-instead', () => {
    expect(faults({ SANDBOX: 'kubernetes' })).toContain('has no driver yet')
    expect(faults({ SANDBOX: 'kubernetes' })).toContain('scripts/kubernetes-manifest.ts')
  })
})
