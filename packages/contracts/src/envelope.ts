/** The form of every JSON answer of the workbench and its managers; code 0 is success. */
import { z } from 'zod'

export const envelope = <T extends z.ZodType>(data: T) =>
  z.object({ code: z.int(), message: z.string(), data: data.nullable() })
