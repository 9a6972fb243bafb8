/** The files of a workspace, which the wire shows as a tree, as a list. */
import { type FileNode, fileNode } from '@tutti/contracts'

/** Its address expires. */
export interface WorkspaceFile {
  /** From the workspace, without a slash at the beginning. */
  path: string
  /** Bytes. */
  size: number
  sha256: string
  executable: boolean
  key: string
  url: string
}

export const fileTree = fileNode.array()

/** Those of a folder behind the files of its folders. */
export const filesIn = (nodes: readonly FileNode[]): WorkspaceFile[] =>
  nodes.flatMap(({ path, url, oss_meta, children }) => {
    if (url === undefined || oss_meta === undefined) return filesIn(children ?? [])
    const { size, sha256, executable, key } = oss_meta
    return [{ path: path.slice(1), size, sha256, executable, key, url }]
  })
