import { expect, test } from 'vitest'
import { serveHealth, workerFromEnvironment } from '../src/index.ts'

test('an empty environment wants a token, and nothing else', () => {
  expect(() => workerFromEnvironment({})).toThrow('Set WORKER_TOKEN')
  expect(workerFromEnvironment({ WORKER_TOKEN: 't' })).toMatchObject({
    url: 'http://localhost:8080',
    token: 't',
    describe: {},
    pollSeconds: 30,
    webSocket: true,
  })
})

test('everything that a worker can be told', () => {
  const found = workerFromEnvironment({
    WORKER_TOKEN: 'shared',
    WORKER_INDIVIDUAL_TOKEN: 'own',
    WORKER_ID: 'gpu-1',
    WORKER_TYPE: 'gpu',
    ORCHESTRATOR_URL: 'https://jobs.example.com',
    MAX_CONCURRENT_TASKS: '3',
    CPU_CORES: '8',
    RAM_GB: '32.5',
    GPU_MODEL: 'T4',
    GPU_VRAM_GB: '16',
    WORKER_DEVICES: '[{"type":"gpu"}]',
    COST_PER_SKILL: '{"render":0.5}',
    INSTALLED_SOFTWARE: '{"ffmpeg":"7"}',
    INSTALLED_MODELS: '[{"name":"m"}]',
    WORKER_EXTRA_REGION: 'north',
    WORKER_ENABLE_WEBSOCKETS: 'false',
    TASK_POLL_TIMEOUT: '5',
    HEARTBEAT_INTERVAL: '2',
    WORKER_SHUTDOWN_TIMEOUT: '60',
    WORKER_PORT: '8083',
    ORCHESTRATORS_CONFIG: '[{"url":"http://a","weight":2},{"url":"http://b","token":"t"}]',
    MULTI_ORCHESTRATOR_MODE: 'ROUND_ROBIN',
    WORKER_SHORT_LIVED_TOKENS: 'true',
    GPU_ID: '',
  })
  expect(found).toEqual({
    url: 'https://jobs.example.com',
    token: 'own',
    orchestrators: [
      { url: 'http://a', weight: 2 },
      { url: 'http://b', token: 't' },
    ],
    mode: 'round_robin',
    shortLivedTokens: true,
    id: 'gpu-1',
    type: 'gpu',
    concurrency: 3,
    describe: {
      cost_per_skill: { render: 0.5 },
      installed_software: { ffmpeg: '7' },
      installed_models: [{ name: 'm' }],
      resources: { cpu_cores: 8, ram_gb: 32.5, gpu_info: { model: 'T4', vram_gb: 16 }, devices: [{ type: 'gpu' }] },
      capabilities: { extra: { region: 'north' } },
    },
    tls: undefined,
    webSocket: false,
    pollSeconds: 5,
    heartbeatSeconds: 2,
    shutdownSeconds: 60,
    healthPort: 8083,
  })
})

test('all faults are told at once, each by the name of its variable', () => {
  const wrong = {
    ORCHESTRATOR_URL: 'jobs.example.com',
    WORKER_ID: 'no spaces',
    MAX_CONCURRENT_TASKS: '2.5',
    CPU_CORES: 'many',
    WORKER_DEVICES: '{"type":"gpu"}',
    COST_PER_SKILL: '{"render":"cheap"}',
    INSTALLED_MODELS: 'm',
    ORCHESTRATORS_CONFIG: '[{"url":"a"}]',
    MULTI_ORCHESTRATOR_MODE: 'SOMETIMES',
    WORKER_ENABLE_WEBSOCKETS: 'perhaps',
    TLS_CA_PATH: '/nowhere/ca.pem',
    TLS_KEY_PATH: '/nowhere/key.pem',
  }
  let message = ''
  try {
    workerFromEnvironment(wrong)
  } catch (error) {
    message = String(error)
  }
  for (const name of [...Object.keys(wrong), 'TLS_CERT_PATH', 'WORKER_TOKEN']) expect(message).toContain(name)
})

test('health answers on its own port', async () => {
  let well = true
  const server = await serveHealth(0, () => well)
  const look = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`)
    return [response.status, await response.text()]
  }
  expect(await look('/health')).toEqual([200, 'OK'])
  expect((await look('/'))[0]).toBe(404)
  well = false
  expect((await look('/health'))[0]).toBe(503)
  await server.close()
})
