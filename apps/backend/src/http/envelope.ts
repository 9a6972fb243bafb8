/** The form of every JSON answer: `{code, message, data}`; code 0 is success. */
export interface Envelope<T> {
  code: number
  message: string
  data: T
}

export const ok = <T>(data: T): Envelope<T> => ({ code: 0, message: 'success', data })
