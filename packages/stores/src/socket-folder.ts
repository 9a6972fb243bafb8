import { createHash } from 'node:crypto'
import { chown, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The system's limit is 107. */
const longestPath = 100

/**
 * The folder of a server's Unix socket, readable by its account alone: beside the data, or under the temporary folder where that path
 * would be too long for a socket. @param socket the file's name in it
 */
export const socketFolder = async (
  dataDir: string,
  { server, socket, account }: { server: string; socket: string; account: { uid: number; gid: number } | undefined },
): Promise<string> => {
  const beside = join(dataDir, 'run')
  const short = join(tmpdir(), `tutti-${server}-${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`)
  const folder = Buffer.byteLength(join(beside, socket)) > longestPath ? short : beside
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if (account) await chown(folder, account.uid, account.gid)
  return folder
}
