import type Docker from 'dockerode'
import { errorCode, errorMessage, SandboxError } from '../error.ts'

export type Engine = Docker
export type Container = Docker.Container

/**
 * How the engine is reached: `unix:///var/run/docker.sock`, or another path. Only over a Unix socket: whoever can
 * speak to an engine is root on its host, and paths of workspaces mean something on this host only.
 */
export function createEngine(address: string): () => Promise<Engine> {
  let made: Promise<Engine> | undefined
  // 0.3 s and 35 MB to load, so only where it is used.
  const load = async () => {
    const socketPath = /^unix:\/\/(\/.+)$/.exec(address)?.[1]
    if (socketPath === undefined) {
      throw new SandboxError(
        `DOCKER_HOST is ${JSON.stringify(address)}, and not the Unix socket of an engine on this host`,
        'name it as unix:///var/run/docker.sock, or leave it out',
      )
    }
    const { default: Docker } = await import('dockerode')
    return new Docker({ socketPath })
  }
  return () => {
    made ??= load()
    return made
  }
}

/** The HTTP status of the engine's answer. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : undefined
}

/** What the engine said, or why it could not be asked, as a fault with its remedy. */
export function engineFault(error: unknown, what: string): SandboxError {
  if (error instanceof SandboxError) return error
  const code = errorCode(error)
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new SandboxError('no container engine answers', 'install Docker, start it, or correct DOCKER_HOST', {
      cause: error,
    })
  }
  if (code === 'EACCES') {
    return new SandboxError(
      'this user may not speak to the container engine',
      'run as root, or add the user to the group docker (which makes it root)',
      { cause: error },
    )
  }
  const said = engineMessage(error)
  return new SandboxError(`${what}: ${said}`, remedyFor(said), { cause: error })
}

function engineMessage(error: unknown): string {
  const json = error instanceof Error && 'json' in error ? error.json : undefined
  const message = typeof json === 'object' && json !== null && 'message' in json ? json.message : undefined
  return typeof message === 'string' ? message : errorMessage(error)
}

function remedyFor(said: string): string {
  if (/no such image/i.test(said)) return 'pull the image that EXECUTOR_IMAGE names, or build it'
  if (/bind source path does not exist/i.test(said)) {
    return 'give the manager its folders under the same path that they have on the engine’s host'
  }
  if (/runtime/i.test(said)) return 'install the runtime that SANDBOX_DOCKER_RUNTIME names, or leave it empty'
  return 'correct the sandbox specification or the limits, or see the engine’s log'
}
