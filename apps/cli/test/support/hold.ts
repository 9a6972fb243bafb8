/** A process that takes a data directory when it is told to, says how that went, and keeps it until it is killed. */
import { openDataDir } from '../../src/stack/data-dir.ts'

const [, , folder = ''] = process.argv

process.stdin.once('data', async () => {
  try {
    await openDataDir(folder)
    process.stdout.write(`held by ${process.pid}\n`)
  } catch (error) {
    process.stdout.write(`refused: ${error instanceof Error ? error.message : error}\n`)
  }
})
process.stdin.resume()
process.stdout.write('ready\n')
