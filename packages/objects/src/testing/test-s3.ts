/**
 * An S3 server for tests. By itself a fresh s3rver over a temporary folder; with TUTTI_TEST_S3_ENDPOINT, _ACCESS_KEY and
 * _SECRET_KEY (and _REGION) set, that server.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface TestS3 {
  /** For `createS3Objects`; the bucket is not there yet. */
  options: { endpoint: string; bucket: string; region: string; accessKey: string; secretKey: string }
  /** Bytes of the longest segment of a key: s3rver keeps objects as files, S3 knows no segments. */
  longestSegment: number
  /** Ends the server while the test goes on; a foreign one stays. */
  stop(): Promise<void>
  /** Brings it back where it was, with all that it held. */
  restart(): Promise<void>
  close(): Promise<void>
}

export async function testS3(): Promise<TestS3> {
  const bucket = `tutti-test-${crypto.randomUUID()}`
  const { TUTTI_TEST_S3_ENDPOINT: endpoint, TUTTI_TEST_S3_REGION: region = 'us-east-1' } = process.env
  if (endpoint !== undefined) {
    const accessKey = process.env.TUTTI_TEST_S3_ACCESS_KEY ?? ''
    const secretKey = process.env.TUTTI_TEST_S3_SECRET_KEY ?? ''
    const nothing = async () => undefined
    const options = { endpoint, bucket, region, accessKey, secretKey }
    return { options, longestSegment: 1024, stop: nothing, restart: nothing, close: nothing }
  }
  const directory = await mkdtemp(join(tmpdir(), 'tutti-s3-'))
  const first = await start(directory, 0)
  const { port } = first
  let stop = first.stop
  return {
    options: { endpoint: `http://127.0.0.1:${port}`, bucket, region, accessKey: 'S3RVER', secretKey: 'S3RVER' },
    longestSegment: 200,
    stop: () => stop(),
    restart: async () => {
      stop = (await start(directory, port)).stop
    },
    async close() {
      await stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function start(directory: string, wanted: number): Promise<{ port: number; stop: () => Promise<void> }> {
  const script = fileURLToPath(new URL('s3-server.ts', import.meta.url))
  // s3rver makes its page tokens with DES, which newer OpenSSLs have put away.
  const child = spawn(
    process.execPath,
    ['--openssl-legacy-provider', '--no-warnings', script, directory, String(wanted)],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  const exited = once(child, 'exit')
  const [line] = await Promise.race([
    once(child.stdout, 'data'),
    exited.then(([code]) => Promise.reject(new Error(`the test's S3 server ended with ${code}`))),
  ])
  const stop = async () => {
    child.kill('SIGKILL')
    await exited
  }
  return { port: Number(String(line).trim()), stop }
}
