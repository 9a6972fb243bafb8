/** Where this program's own files are. */
import { fileURLToPath } from 'node:url'

export const repositoryRoot = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '')
export const tuttiProgram = fileURLToPath(new URL('./main.ts', import.meta.url))
