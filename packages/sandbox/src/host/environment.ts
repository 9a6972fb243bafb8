import { DEFAULT_ENV } from '../spec.ts'

/** Shell text that sets the environment the command will see. */
export function environmentScript(env: Record<string, string>): string {
  const quote = (value: string) => `'${value.replaceAll("'", "'\\''")}'`
  return Object.entries({ ...DEFAULT_ENV, ...env })
    .map(([name, value]) => `export ${name}=${quote(value)}\n`)
    .join('')
}
