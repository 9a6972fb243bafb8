import type { KeptState } from '../sandbox/kept.ts'

export interface Health {
  service: 'executor-manager'
  status: 'ok' | 'degraded' | 'draining'
  worker_id: string
  sandbox: string
  /** False: agents run without any isolation. */
  isolates: boolean
  running: number
  capacity: number
  kept_sandboxes: KeptState
  /** Why no runs can be taken at the moment; null when they can. */
  fault: string | null
}
