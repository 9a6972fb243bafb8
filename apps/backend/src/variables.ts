/** The backend's variables. */
import { backendVariables, type ConfigOf, type Variable, type VariableTable } from '@tutti/config'
import { z } from 'zod'

const origins = z
  .string()
  .transform((text, context): readonly string[] => {
    const parsed = z.array(z.url({ protocol: /^https?$/ })).safeParse(asJson(text))
    // As browsers write them: without a path, and without the port that the scheme implies.
    if (parsed.success) return parsed.data.map((origin) => new URL(origin).origin)
    context.addIssue({
      code: 'custom',
      message: 'must be a list of origins',
      input: text,
      params: { remedy: 'Use a JSON array such as ["http://localhost:3000"].' },
    })
    return z.NEVER
  })
  .meta({ description: 'JSON array of origins' })

const asJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export const variables = {
  ...backendVariables,
  clientToken: {
    name: 'CLIENT_TOKEN',
    default: '',
    description: 'What users and API clients prove themselves with. Needed unless HOST is a loopback address.',
    schema: z
      .string()
      .regex(/^[\x21-\x7e]*$/, 'holds characters that a header can’t carry')
      .meta({ description: 'visible ASCII characters' }),
    secret: true,
  } satisfies Variable<string>,
  corsOrigins: {
    name: 'CORS_ORIGINS',
    default: '["http://localhost:3000","http://127.0.0.1:3000"]',
    description: 'Web pages of these origins may call the API.',
    schema: origins,
  } satisfies Variable<readonly string[]>,
} satisfies VariableTable

export type Config = ConfigOf<typeof variables>
