/** What an escape meets on the host: made before it runs, looked at after it. */
export interface Target {
  /** Readable by the owner of the host alone. */
  secretFile: string
  secret: string
  /** Another sandbox's workspace, in which that sandbox is at work. */
  otherWorkspace: string
  /** A process of the host. */
  victim: number
  /** A TCP server on the host's loopback. */
  port: number
  /** An abstract Unix socket of the host. */
  abstract: string
}

/**
 * One attempt to get out. It runs inside as a shell script or a perl program, and prints ESCAPED when it got what it
 * wanted; what it did to the host is looked at besides.
 */
export interface Escape {
  name: string
  group: 'files' | 'links' | 'devices' | 'processes' | 'network' | 'relay' | 'privileges' | 'kernel' | 'resources'
  /** What is tried, as one sentence. */
  tries: string
  /** Says it where it worked; where it ends by itself in any other way, it failed. */
  attempt: (target: Target) => string[]
  /** The sandbox itself ends for a limit: that is the answer to it. */
  ends?: true
}

export const sh = (script: string): string[] => ['sh', '-c', script]
export const perl = (program: string, ...args: string[]): string[] => ['perl', '-MSocket', '-e', program, ...args]
