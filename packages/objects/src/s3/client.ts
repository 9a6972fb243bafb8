import { Readable } from 'node:stream'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { createSemaphore } from '../semaphore.ts'
import type { S3ObjectsOptions } from './create-s3-objects.ts'

/** A client that asks, of which at most `maxConcurrency` requests are under way, and one that only signs. */
export function createClients(options: S3ObjectsOptions): { asking: S3Client; signing: S3Client } {
  const config = configOf(options)
  const asking = new S3Client(config)
  limit(asking, options.maxConcurrency ?? 100)
  // A signature holds for one host name, so an address is signed with the name that its reader will use.
  const { publicEndpoint } = options
  const signing = publicEndpoint === undefined ? config : configOf({ ...options, endpoint: publicEndpoint })
  return { asking, signing: new S3Client(signing) }
}

function configOf(options: S3ObjectsOptions): S3ClientConfig {
  const { endpoint, region = 'us-east-1', accessKey, secretKey } = options
  const { requestTimeoutMs = 60_000, attempts = 4 } = options
  const config: S3ClientConfig = {
    region,
    // Others than AWS rarely have a host name for each bucket.
    forcePathStyle:
      options.forcePathStyle ??
      (endpoint !== undefined && !/\.amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname)),
    // The SDK's own checksums travel in trailers that other servers store as part of the content.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: attempts,
    requestHandler: {
      connectionTimeout: 5_000,
      // Of silence. Without it, a server that stops answering holds its slot for ever.
      socketTimeout: requestTimeoutMs,
      // The semaphore is the limit; the agent's own would count waiting as time-out.
      httpAgent: { maxSockets: Number.POSITIVE_INFINITY },
      httpsAgent: { maxSockets: Number.POSITIVE_INFINITY },
    },
  }
  if (endpoint !== undefined) config.endpoint = endpoint
  if (accessKey !== undefined && secretKey !== undefined) {
    config.credentials = { accessKeyId: accessKey, secretAccessKey: secretKey }
  }
  return config
}

/** Each try of each request takes a slot; one that answers with a stream keeps it until the stream is over. */
function limit(client: S3Client, slots: number): void {
  const semaphore = createSemaphore(slots)
  client.middlewareStack.add(
    (next) => async (request) => {
      const release = await semaphore.acquire()
      try {
        const result = await next(request)
        const body = 'Body' in result.output ? result.output.Body : null
        if (body instanceof Readable && !body.destroyed) body.once('close', release)
        else release()
        return result
      } catch (error) {
        release()
        throw error
      }
    },
    { name: 'tuttiConcurrency', step: 'finalizeRequest', priority: 'low' },
  )
}
