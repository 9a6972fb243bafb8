export { ObjectStoreError, type ObjectStoreErrorCode } from './errors.ts'
export { handleObjectRequest, type ObjectRequestDeps } from './http/handleObjectRequest.ts'
export type { ObjectFault, ObjectRequest, ObjectResponse } from './http/response.ts'
export { type ServedObject, serveObject } from './http/serveObject.ts'
export { checkKey } from './keys.ts'
export {
  createLocalObjects,
  type LocalObjects,
  type LocalObjectsDeps,
  type LocalObjectsOptions,
} from './local/createLocalObjects.ts'
export type {
  ByteRange,
  GetOptions,
  ObjectBody,
  ObjectContent,
  ObjectInfo,
  ObjectPage,
  ObjectStore,
  PresignGetOptions,
  PresignOptions,
  PutOptions,
  StoredObject,
} from './port.ts'
export type { Presigned, PresignVerdict } from './presign.ts'
