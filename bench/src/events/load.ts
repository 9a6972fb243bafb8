/** What the processes of the events' benchmark tell each other. */
export interface Setting {
  backendUrl: string
  internalToken: string
  folder: string
  sessions: number
}

export interface Load {
  /** Over all sessions. */
  eventsPerSecond: number
  seconds: number
}

/** Where an executor finds its relay. */
export interface Place {
  run_id: string
  attempt: number
  socketPath: string
  token: string
}
