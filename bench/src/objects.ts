/**
 * A large object through the S3 adapter, up and down, with the memory that it takes:
 * `node bench/src/objects.ts [MB, 2048 by default]`. The server is a process of its own.
 */
import { Readable } from 'node:stream'
import { createS3Objects } from '@tutti/objects'
import { testS3 } from '@tutti/objects/testing'

const megabyte = 1024 * 1024
const megabytes = Number(process.argv[2] ?? 2048)

const server = await testS3()
const objects = createS3Objects(server.options)
await objects.ensureBucket()
const start = process.memoryUsage.rss()
let most = start
const watch = setInterval(() => {
  most = Math.max(most, process.memoryUsage.rss())
}, 10)

async function* generated() {
  const chunk = Buffer.alloc(megabyte, 'tutti')
  for (let sent = 0; sent < megabytes; sent += 1) yield chunk
}

const report = (what: string, begun: number): void => {
  const seconds = (performance.now() - begun) / 1000
  console.log(
    `${what}: ${seconds.toFixed(1)} s, ${(megabytes / seconds).toFixed(0)} MB/s; ` +
      `memory ${(start / megabyte).toFixed(0)} MB before, at most ${(most / megabyte).toFixed(0)} MB`,
  )
}

try {
  const up = performance.now()
  await objects.put('large', Readable.from(generated()))
  report('up', up)
  const down = performance.now()
  let received = 0
  for await (const chunk of (await objects.get('large')).stream) received += chunk.length
  report('down', down)
  if (received !== megabytes * megabyte) throw new Error(`${received} bytes came back`)
} finally {
  clearInterval(watch)
  objects.close()
  await server.close()
}
