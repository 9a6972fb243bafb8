/** Jobs by the clock. */
import {
  type JobAccepted,
  jobAccepted,
  type ScheduleSpecInput,
  type ScheduleView,
  scheduleNext,
  scheduleView,
} from '@tutti/contracts'
import { fieldOf, nothing } from './answers.ts'
import type { Http } from './http.ts'

/** Whose schedule; for operators, who may look after everybody's. */
export interface Whose {
  client?: string | undefined
}

export interface SchedulesApi {
  /** Your own; an operator who names no client gets those of all. */
  list(whose?: Whose): Promise<ScheduleView[]>
  get(name: string, whose?: Whose): Promise<ScheduleView>
  /** Makes it or replaces it. */
  put(name: string, spec: ScheduleSpecInput, whose?: Whose): Promise<ScheduleView>
  /** The jobs that it made stay. */
  remove(name: string, whose?: Whose): Promise<void>
  pause(name: string, whose?: Whose): Promise<ScheduleView>
  resume(name: string, whose?: Whose): Promise<ScheduleView>
  /** Makes a job now, beside the plan. */
  trigger(name: string, whose?: Whose): Promise<JobAccepted>
  /** The next instants, 5 unless told otherwise. */
  next(name: string, options?: Whose & { count?: number | undefined }): Promise<string[]>
}

export const createSchedules = (http: Http): SchedulesApi => {
  const path = (name: string, rest = '') => `/api/v1/schedules/${encodeURIComponent(name)}${rest}`
  return {
    list: ({ client } = {}) =>
      http.call({ method: 'GET', path: '/api/v1/schedules', query: { client }, answer: scheduleView.array() }),
    get: (name, { client } = {}) =>
      http.call({ method: 'GET', path: path(name), query: { client }, answer: scheduleView }),
    put: (name, spec, { client } = {}) =>
      http.call({ method: 'PUT', path: path(name), query: { client }, body: spec, answer: scheduleView }),
    remove: (name, { client } = {}) =>
      http.call({ method: 'DELETE', path: path(name), query: { client }, answer: nothing }),
    pause: (name, { client } = {}) =>
      http.call({
        method: 'POST',
        path: path(name, '/pause'),
        query: { client },
        repeatable: true,
        answer: scheduleView,
      }),
    resume: (name, { client } = {}) =>
      http.call({
        method: 'POST',
        path: path(name, '/resume'),
        query: { client },
        repeatable: true,
        answer: scheduleView,
      }),
    trigger: (name, { client } = {}) =>
      http.call({ method: 'POST', path: path(name, '/trigger'), query: { client }, answer: jobAccepted }),
    next: (name, { client, count } = {}) =>
      http.call({
        method: 'GET',
        path: path(name, '/next'),
        query: { client, count },
        answer: fieldOf(scheduleNext, 'next'),
      }),
  }
}
