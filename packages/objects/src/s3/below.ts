import type { ObjectInfo, ObjectStore } from '../port.ts'

/** A store whose keys all lie in one folder of another store; the folder shows in no key that it takes or answers. */
export function below(folder: string, store: ObjectStore): ObjectStore {
  if (folder === '') return store
  const shown = <Info extends Pick<ObjectInfo, 'key'>>(info: Info): Info => ({
    ...info,
    key: info.key.slice(folder.length),
  })
  return {
    put: async (key, body, options) => ({ ...(await store.put(folder + key, body, options)), key }),
    get: async (key, options) => ({ ...(await store.get(folder + key, options)), key }),
    head: async (key) => {
      const info = await store.head(folder + key)
      return info && shown(info)
    },
    delete: (key) => store.delete(folder + key),
    deletePrefix: (prefix) => store.deletePrefix(folder + prefix),
    list: async (prefix, cursor = null, limit) => {
      const page = await store.list(folder + prefix, cursor === null ? null : folder + cursor, limit)
      return { objects: page.objects.map(shown), cursor: page.cursor?.slice(folder.length) ?? null }
    },
    presignGet: (key, options) => store.presignGet(folder + key, options),
    presignPut: (key, options) => store.presignPut(folder + key, options),
  }
}
