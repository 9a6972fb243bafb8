/** One picture of a page, by the Chrome DevTools Protocol. */
import { record, text } from '../loose.ts'

/** A page that does not answer (a dialog is open, a script runs for ever) has no picture. */
const longestMs = 5_000

export const capture = (address: string): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(address)
    const timer = setTimeout(() => end(new Error('The page does not answer.')), longestMs)
    const end = (result: Buffer | Error): void => {
      clearTimeout(timer)
      socket.close()
      if (result instanceof Error) reject(result)
      else resolve(result)
    }
    socket.addEventListener('open', () => {
      socket.send(JSON.stringify({ id: 1, method: 'Page.captureScreenshot', params: { format: 'png' } }))
    })
    socket.addEventListener('message', ({ data }) => {
      const answer = record(JSON.parse(String(data)))
      if (answer.id !== 1) return
      const picture = text(record(answer.result).data)
      end(picture === '' ? new Error('The page gave no picture.') : Buffer.from(picture, 'base64'))
    })
    socket.addEventListener('error', () => end(new Error('The page has gone.')))
  })
