/** Repositories over HTTPS with basic auth, by git's own server program. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { join } from 'node:path'

export interface GitServer {
  url: string
  caFile: string
  /** Requests so far that git’s program answered. */
  served(): number
  /** Answers each request with a redirect to this address; null: as it should. */
  redirect(to: string | null): void
  close(): Promise<void>
}

const keyAndCertificate = (folder: string): [key: string, cert: string] => [
  join(folder, 'key.pem'),
  join(folder, 'cert.pem'),
]

/** Servers of one folder share it. */
export const makeCertificate = (folder: string): void => {
  const [key, cert] = keyAndCertificate(folder)
  if (existsSync(cert)) return
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' })
}

/** @param token null: whoever asks is served */
export const createGitServer = async (folder: string, token: string | null): Promise<GitServer> => {
  makeCertificate(folder)
  const [key, cert] = keyAndCertificate(folder)
  let served = 0
  let elsewhere: string | null = null

  const answer = (asked: IncomingMessage, response: ServerResponse): void => {
    if (elsewhere !== null) {
      response.writeHead(302, { location: elsewhere + asked.url }).end()
      return
    }
    const expected = `Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`
    if (token !== null && asked.headers.authorization !== expected) {
      // As a careless server does.
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end(asked.headers.authorization)
      return
    }
    served += 1
    const url = new URL(asked.url ?? '', 'https://localhost')
    const child = spawn('git', ['http-backend'], {
      env: {
        ...{ PATH: process.env.PATH, GIT_PROJECT_ROOT: folder, GIT_HTTP_EXPORT_ALL: '1', PATH_INFO: url.pathname },
        ...{ QUERY_STRING: url.search.slice(1), REQUEST_METHOD: asked.method, REMOTE_USER: 'tester' },
        ...{ CONTENT_TYPE: asked.headers['content-type'], HTTP_CONTENT_ENCODING: asked.headers['content-encoding'] },
        ...{ GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' },
      },
    })
    asked.pipe(child.stdin)
    const parts: Buffer[] = []
    child.stdout.on('data', (part: Buffer) => parts.push(part))
    child.on('close', () => {
      const all = Buffer.concat(parts)
      const end = all.indexOf('\r\n\r\n')
      const headers = all
        .subarray(0, end)
        .toString()
        .split('\r\n')
        .map((line) => line.split(': ') as [string, string])
      const status = headers.find(([name]) => name === 'Status')?.[1]
      response.writeHead(status ? Number.parseInt(status, 10) : 200, Object.fromEntries(headers))
      response.end(all.subarray(end + 4))
    })
  }
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    url: `https://localhost:${typeof address === 'object' && address !== null ? address.port : 0}`,
    caFile: cert,
    served: () => served,
    redirect: (to) => {
      elsewhere = to
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
