import type { Sandbox } from '../port.ts'

/** What a sandbox that ended before its command said of it: that is the fault. Empty where it said nothing. */
export async function lastWords(sandbox: Sandbox): Promise<string> {
  await sandbox.exited
  let said = ''
  for await (const chunk of sandbox.stderr) said += chunk
  return said.trim().split('\n').slice(-3).join('; ')
}
