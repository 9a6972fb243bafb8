export { ObjectStoreError, type ObjectStoreErrorCode } from './errors.ts'
export { attachment } from './http/disposition.ts'
export { handleObjectRequest, type ObjectRequestDeps } from './http/handle-object-request.ts'
export { receiveObject } from './http/receive-object.ts'
export type { ObjectFault, ObjectRequest, ObjectResponse } from './http/response.ts'
export { type ServedObject, serveObject } from './http/serve-object.ts'
export { checkKey } from './keys.ts'
export {
  createLocalObjects,
  type LocalObjects,
  type LocalObjectsDeps,
  type LocalObjectsOptions,
} from './local/create-local-objects.ts'
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
  PresignPutOptions,
  PutOptions,
  StoredObject,
} from './port.ts'
export { hashHeader } from './port.ts'
export type { Presigned, PresignVerdict } from './presign.ts'
export { createS3Objects, type S3Objects, type S3ObjectsOptions } from './s3/create-s3-objects.ts'
export { type Address, checkName, parseAddress } from './task-files/names.ts'
export { type SweepRequest, sweepTaskFiles } from './task-files/sweep-task-files.ts'
export {
  createTaskFiles,
  type FileOperation,
  jobPrefix,
  type TaskFile,
  type TaskFiles,
  type TaskFilesOptions,
} from './task-files/task-files.ts'
