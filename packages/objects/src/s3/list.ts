import { ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3'
import { checkKey, checkPageLimit } from '../keys.ts'
import type { ObjectPage } from '../port.ts'
import { asked } from './failures.ts'

export interface S3List {
  client: S3Client
  bucket: string
  prefix: string
  cursor: string | null
  limit: number
}

export async function listObjects({ client, bucket, prefix, cursor, limit }: S3List): Promise<ObjectPage> {
  checkPageLimit(limit)
  const request = new ListObjectsV2Command({
    Bucket: bucket,
    Prefix: prefix,
    MaxKeys: limit,
    // A key, where S3 offers a token: so a page can begin where nothing is any more.
    ...(cursor === null ? {} : { StartAfter: cursor }),
    // XML can't spell every character that a key may have.
    EncodingType: 'url',
  })
  const answer = await asked(`Listing ${prefix}`, () => client.send(request))
  const plain = answer.EncodingType === 'url' ? decode : (key: string) => key
  const found = (answer.Contents ?? []).map(({ Key = '', Size = 0, LastModified = new Date(0) }) => ({
    key: plain(Key),
    size: Size,
    modifiedAt: LastModified,
  }))
  const last = found.at(-1)
  return {
    // Other programs may keep what is no key here, such as the folder marks of consoles.
    objects: found.filter(({ key }) => isKey(key)),
    cursor: answer.IsTruncated && last ? last.key : null,
  }
}

const decode = (key: string): string => decodeURIComponent(key.replaceAll('+', ' '))

function isKey(key: string): boolean {
  try {
    checkKey(key)
    return true
  } catch {
    return false
  }
}
