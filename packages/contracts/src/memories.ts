/** What is remembered for a user beyond one session: short texts that agents and people write, and find by their words. */
import { z } from 'zod'
import { instant, type JsonObject, jsonObject } from './json.ts'

const memoryText = z.string().trim().min(1).max(8_000)
const metadata = jsonObject.refine(
  (value: JsonObject) => JSON.stringify(value).length <= 4_000,
  'must be at most 4000 characters as JSON',
)

export const memoryView = z.object({
  id: z.uuid(),
  memory: z.string(),
  user_id: z.string(),
  /** Only for the sessions of this project; null: for all of the user's. */
  project_id: z.uuid().nullable(),
  /** The run whose agent wrote it first; null where a person did. */
  run_id: z.uuid().nullable(),
  metadata: jsonObject,
  /** Of a search: how much of what was asked for it holds, between 0 and 1; rare words count more. */
  score: z.number().optional(),
  created_at: instant,
  updated_at: instant,
})
export type MemoryView = z.infer<typeof memoryView>

/** POST /api/v1/memories: a text, or what was said in messages. */
export const createMemory = z
  .object({
    text: memoryText.optional(),
    messages: z
      .array(z.object({ role: z.string().max(50).optional(), content: z.string().max(8_000) }))
      .min(1)
      .max(100)
      .optional(),
    project_id: z.uuid().nullish(),
    metadata: metadata.default({}),
  })
  .refine(({ text, messages }) => (text === undefined) !== (messages === undefined), {
    path: ['text'],
    error: 'give either text or messages',
  })
  .refine(({ text, messages }) => text !== undefined || memoryText.safeParse(textOfMessages(messages)).success, {
    path: ['messages'],
    error: 'must hold between 1 and 8000 characters together',
  })
export type CreateMemory = z.input<typeof createMemory>

/** Messages as one memory, a line each. */
export const textOfMessages = (messages: readonly { content: string }[] = []): string =>
  messages
    .map(({ content }) => content.trim())
    .join('\n')
    .trim()

/** Making a memory takes no time of its own: its job is done when it is answered. The id is the memory’s. */
export const memoryJob = z.object({
  job_id: z.uuid(),
  status: z.literal('success'),
  progress: z.literal(100),
  result: z.object({ memory_id: z.uuid() }),
  error: z.null(),
  created_at: instant,
  finished_at: instant,
})
export type MemoryJob = z.infer<typeof memoryJob>

/** PUT /api/v1/memories/{id} */
export const putMemory = z.strictObject({ text: memoryText, metadata: metadata.optional() })
export type PutMemory = z.infer<typeof putMemory>

/** POST /api/v1/memories/search: any of the words, each as the beginning of one. */
export const searchMemories = z.object({
  query: z.string().trim().min(1).max(1_000),
  limit: z.int().min(1).max(100).default(10),
  project_id: z.uuid().nullish(),
})
export type SearchMemories = z.output<typeof searchMemories>

/** GET /api/v1/memories/{id}/history, oldest first. */
export const memoryChange = z.object({
  event: z.enum(['ADD', 'UPDATE']),
  old_memory: z.string().nullable(),
  new_memory: z.string(),
  run_id: z.uuid().nullable(),
  created_at: instant,
})
export type MemoryChange = z.infer<typeof memoryChange>

/** What an agent may ask of the memory. It sees what is for all sessions of its user, and for those of its session's project. */
export const memoryCall = z.discriminatedUnion('op', [
  z.strictObject({
    op: z.literal('search'),
    query: z.string().trim().min(1).max(1_000),
    limit: z.int().min(1).max(50).default(10),
  }),
  z.strictObject({
    op: z.literal('list'),
    limit: z.int().min(1).max(100).default(50),
    offset: z.int().min(0).max(1_000_000).default(0),
  }),
  z.strictObject({ op: z.literal('get'), id: z.uuid() }),
  z.strictObject({ op: z.literal('add'), text: memoryText, only_this_project: z.boolean().default(false) }),
  z.strictObject({ op: z.literal('update'), id: z.uuid(), text: memoryText }),
  z.strictObject({ op: z.literal('delete'), id: z.uuid() }),
])
export type MemoryCall = z.output<typeof memoryCall>

/** What was found or written; nothing after `delete`. */
export const memoryAnswer = z.object({ memories: z.array(memoryView) })
export type MemoryAnswer = z.infer<typeof memoryAnswer>
