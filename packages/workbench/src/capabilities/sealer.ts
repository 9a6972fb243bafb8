/** Sealing of secrets that are kept in the database: AES-256-GCM under keys made of the configured ones. */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'

export interface Sealed {
  /** Names the key; tells nothing about it. */
  keyId: string
  bytes: Buffer
}

export interface Sealer {
  /** What new secrets are sealed with. */
  readonly keyId: string
  /** @param place what the secret belongs to: sealed for one place it can't be opened at another */
  seal(secret: string, place: string): Sealed
  /** Undefined where the key is not among the configured ones any more. @throws Error when the bytes were altered or belong elsewhere */
  open(sealed: Sealed, place: string): string | undefined
}

export interface SecretKeys {
  current: string
  /** Keys of before: they still open what was sealed with them. */
  previous?: readonly string[]
}

const nonceBytes = 12
const tagBytes = 16

export const createSealer = ({ current, previous = [] }: SecretKeys): Sealer => {
  const keys = new Map([...previous, current].map(keyOf))
  const [keyId, key] = keyOf(current)
  return {
    keyId,
    seal: (secret, place) => {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(place))
      const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
      return { keyId, bytes: Buffer.concat([nonce, cipher.getAuthTag(), text]) }
    },
    open: ({ keyId: id, bytes }, place) => {
      const its = keys.get(id)
      if (its === undefined) return undefined
      const decipher = createDecipheriv('aes-256-gcm', its, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
      decipher.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes))
      const text = bytes.subarray(nonceBytes + tagBytes)
      return Buffer.concat([decipher.update(text), decipher.final()]).toString('utf8')
    },
  }
}

/** A key of its own for this use: the same configured text also signs addresses. */
const keyOf = (text: string): [id: string, key: Buffer] => {
  const key = Buffer.from(hkdfSync('sha256', text, '', 'tutti: secrets of users', 32))
  return [createHash('sha256').update('tutti: id of a key').update(key).digest('hex').slice(0, 16), key]
}
