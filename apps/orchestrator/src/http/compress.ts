/** Compressed answers: zstd, brotli or gzip, as the caller likes best. */
import { constants } from 'node:zlib'
import compress from '@fastify/compress'
import type { FastifyInstance } from 'fastify'

/** Below, the headers would cost more than is saved. */
const smallest = 500

/** To be registered before any route. Streams of events are left alone: a compressor would hold their lines back. */
export const compressAnswers = (app: FastifyInstance): void => {
  app.register(compress, {
    threshold: smallest,
    encodings: ['zstd', 'br', 'gzip'],
    customTypes: /^(application\/(json|x-ndjson)|text\/(?!event-stream))/,
    // The quick end of each: on the same two cores, the highest levels cost more time than the network they save.
    brotliOptions: { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } },
    zlibOptions: { level: 6 },
    // Asking for nothing that is known is no fault: the answer goes as it is.
    inflateIfDeflated: false,
    globalDecompression: false,
  })
}
