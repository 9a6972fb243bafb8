import { expect, test } from 'vitest'
import { createTaskMetrics, serveHealth, workerFromEnvironment } from '../src/index.ts'

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
    WORKER_ENABLE_METRICS: '1',
    WORKER_SKILLS_DIR: 'skills',
    TASK_FILES_DIR: '/var/lib/payloads',
    STRICT_EVENT_VALIDATION: 'false',
    WORKER_SIGN_MESSAGES: 'true',
    RESULT_MAX_RETRIES: '5',
    RESULT_RETRY_INITIAL_DELAY: '2',
    REGISTRATION_RETRY_INITIAL_DELAY: '0.5',
    REGISTRATION_RETRY_MAX_DELAY: '20',
    WORKER_HEARTBEAT_DEBOUNCE_DELAY: '0.25',
    TASK_POLL_ERROR_DELAY: '45',
    IDLE_POLL_DELAY: '0',
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
    metrics: true,
    skillsDir: 'skills',
    filesDir: '/var/lib/payloads',
    strictEvents: false,
    signMessages: true,
    resultRetries: 5,
    heartbeatDebounceMs: 250,
    registrationBackoff: { firstMs: 500, maxMs: 20_000 },
    resultBackoff: { firstMs: 2000, maxMs: 30_000 },
    // The longest is never shorter than the first.
    pollBackoff: { firstMs: 45_000, maxMs: 45_000 },
    idleBackoff: { firstMs: 1, maxMs: 5_000 },
  })
  expect(workerFromEnvironment({ WORKER_TOKEN: 't', WORKER_STAGE_FILES: 'no' }).filesDir).toBeNull()
  expect(workerFromEnvironment({ WORKER_TOKEN: 't', MULTI_ORCHESTRATOR_MODE: 'all' }).mode).toBe('all')
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
    WORKER_SIGN_MESSAGES: 'true',
    RESULT_MAX_RETRIES: '-1',
    IDLE_POLL_DELAY: 'soon',
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

test('health and metrics answer on their own port', async () => {
  let well = true
  const metrics = createTaskMetrics()
  metrics.started('say "hi"')
  metrics.ended('say "hi"', 'success', 1500)
  const server = await serveHealth(0, () => well, metrics.text)
  const look = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`)
    return [response.status, await response.text()]
  }
  expect(await look('/health')).toEqual([200, 'OK'])
  expect((await look('/'))[0]).toBe(404)
  const [status, text] = await look('/metrics')
  expect(status).toBe(200)
  expect(text).toContain('worker_tasks_total{skill="say \\"hi\\"",status="success"} 1')
  expect(text).toContain('worker_task_seconds_total{skill="say \\"hi\\""} 1.5')
  expect(text).toContain('worker_tasks_running{skill="say \\"hi\\""} 0')
  well = false
  expect((await look('/health'))[0]).toBe(503)
  await server.close()
})
