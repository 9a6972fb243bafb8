import { z } from 'zod'

/** Any JSON value: what may be stored in a job, sent to a worker or put into a log. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }

export const json: z.ZodType<Json> = z.json() as z.ZodType<Json>
export const jsonObject: z.ZodType<JsonObject> = z.record(z.string(), json)

/** An instant on the wire: ISO 8601 with offset. */
export const instant = z.iso.datetime({ offset: true })

/** Ids that Tutti makes are UUIDs; ids that people choose (workers, clients) are names. */
export const name = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[A-Za-z0-9_.:-]+$/, 'letters, digits, and _ . : - only')
