import { unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { checkContentType } from '../content-type.ts'
import { deletePrefix } from '../delete-prefix.ts'
import { ObjectStoreError } from '../errors.ts'
import { checkKey, checkPrefix, longestPage } from '../keys.ts'
import type { ObjectStore } from '../port.ts'
import { createSigner, type PresignVerdict } from '../presign.ts'
import { fitRange } from '../range.ts'
import { type Folders, folderExists, isAbsent, openFolders, removeEmptyFolders } from './folders.ts'
import { keyToPath } from './layout.ts'
import { removeLeftovers } from './leftovers.ts'
import { listObjects } from './list.ts'
import { openObject, streamObject } from './read.ts'
import { type WriteBytes, writeBytes, writeObject } from './write.ts'

export interface LocalObjectsOptions {
  /** Folder of the store; made when it is missing. Several processes may share it. */
  root: string
  /** What presigned addresses start with; the route of `handleObjectRequest` is mounted at its path. */
  publicUrl: string
  /** Signs the addresses. Processes that share it accept each other's. */
  secret: string
}

/** What tests replace. */
export interface LocalObjectsDeps {
  /** Milliseconds since 1970. */
  now?: () => number
  writeBytes?: WriteBytes
}

export interface LocalObjects extends ObjectStore {
  /** Whether the address of a request was presigned by this store for the method, and has not expired. */
  verifyPresigned(url: string, method: string): PresignVerdict
}

/** Objects as files in a local folder: the embedded default, with the promises of the port. */
export function createLocalObjects(options: LocalObjectsOptions, deps: LocalObjectsDeps = {}): LocalObjects {
  const now = deps.now ?? Date.now
  const signer = createSigner({ publicUrl: options.publicUrl, secret: options.secret, now })
  let opened: Promise<Folders> | null = null

  function folders(): Promise<Folders> {
    opened ??= open().catch((error: unknown) => {
      // Not remembered: the folder may be mounted a moment later.
      opened = null
      throw error
    })
    return opened
  }

  async function open(): Promise<Folders> {
    const found = await openFolders(options.root)
    await removeLeftovers(found.temporary, now())
    return found
  }

  async function pathOf(key: string): Promise<string> {
    checkKey(key)
    return join((await folders()).objects, keyToPath(key))
  }

  const store: LocalObjects = {
    async put(key, body, { contentType = 'application/octet-stream', sha256 } = {}) {
      checkContentType(contentType)
      const path = await pathOf(key)
      const write = deps.writeBytes ?? writeBytes
      const written = await writeObject({
        folders: await folders(),
        path,
        body,
        contentType,
        sha256,
        writeBytes: write,
      })
      return { key, ...written }
    },

    async get(key, { range } = {}) {
      const found = await openObject(key, await pathOf(key))
      if (found === null) throw new ObjectStoreError('NOT_FOUND', `There is no object ${JSON.stringify(key)}`)
      try {
        const fitted = range === undefined ? null : fitRange(range, found.info.size)
        return { ...found.info, range: fitted, stream: await streamObject(found, fitted) }
      } catch (error) {
        await found.handle.close()
        throw error
      }
    },

    async head(key) {
      const found = await openObject(key, await pathOf(key))
      if (found === null) return null
      await found.handle.close()
      return found.info
    },

    async delete(key) {
      const path = await pathOf(key)
      const { objects } = await folders()
      if (!(await folderExists(dirname(path)))) return
      await unlink(path).catch((error: unknown) => {
        if (!isAbsent(error)) throw error
      })
      await removeEmptyFolders(objects, dirname(path))
    },

    deletePrefix: (prefix) => deletePrefix(store, prefix),

    async list(prefix, cursor = null, limit = longestPage) {
      checkPrefix(prefix)
      const { objects } = await folders()
      return listObjects({ objects, prefix, cursor, limit })
    },

    presignGet: async (key, presign) => signer.presignGet(key, presign),
    presignPut: async (key, presign) => signer.presignPut(key, presign),
    verifyPresigned: signer.verifyPresigned,
  }
  return store
}
