/**
 * The part of the events' benchmark that is the executor manager's, in a process of its own: its relays, each on a socket, its intake, its
 * client of the backend. Arguments as JSON: {@link Setting}. Says to its parent which run is to be had at which socket.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { ClaimedRun } from '@tutti/contracts'
import { createBackendClient, createRelay, defaultSettings, onSocket } from '@tutti/executor-manager'
import { silentLogger } from '@tutti/telemetry'
import { keepLease } from '../../../apps/executor-manager/src/claim/lease.ts'
import { createIntake } from '../../../apps/executor-manager/src/relay/intake.ts'
import type { Place, Setting } from './load.ts'

const setting = JSON.parse(process.argv[2] ?? '') as Setting
const workerId = 'bench'
const backend = createBackendClient({
  baseUrl: setting.backendUrl,
  internalToken: setting.internalToken,
  leaseSeconds: 60,
})
const never = new Promise<never>(() => {})
const unused = (): never => {
  throw new Error('not part of this measurement')
}

const claim = async (): Promise<ClaimedRun> => {
  const request = { worker_id: workerId, boot_id: 'bench', lease_seconds: 600, wait_seconds: 10 }
  const claimed = await backend.claim(request, new AbortController().signal)
  if (claimed === null) throw new Error('no run came to be claimed')
  await backend.start(claimed.run_id, {
    worker_id: workerId,
    lease_token: claimed.lease_token,
    sandbox: 'bench',
    model: 'm',
  })
  return claimed
}

const open = async (claimed: ClaimedRun, n: number): Promise<Place> => {
  const { run_id, session_id, attempt } = claimed
  const socketPath = join(setting.folder, `${n}.sock`)
  const token = randomUUID()
  const relay = await createRelay({
    ...{ ...defaultSettings, token, rateLimitWaitMs: 0, log: silentLogger },
    listen: onSocket(socketPath, defaultSettings.requestMs),
    model: { name: 'm', routeOf: () => undefined, costOf: () => null },
  })
  const lease = keepLease(
    { backend, log: silentLogger },
    { claimed, workerId, leaseSeconds: 600, renewWaitMs: 0, renewEveryMs: 200_000 },
  )
  relay.assign({
    turn: {
      ...{ run_id, session_id, attempt, runtime: 'claude', prompt: 'x', model: 'm' },
      permission_mode: 'default',
    },
    intake: createIntake({ backend, log: silentLogger }, { claimed, workerId, lease }),
    commands: lease.commands,
    screenshot: unused,
    account: {
      ...{ begin: async () => ({ n: 1 }), end: () => {}, limitedUntil: () => {}, halted: never, halt: () => undefined },
      ...{ spent: unused, work: () => {}, close: async () => {} },
    },
    egress: [],
  })
  return { run_id, attempt, socketPath, token }
}

const places: Place[] = []
for (let n = 0; n < setting.sessions; n += 1) places.push(await open(await claim(), n))
process.send?.(places)
await new Promise((resolve) => process.once('disconnect', resolve))
process.exit(0)
