import { fileURLToPath } from 'node:url'

/** The file that the manager starts inside a sandbox. Importing this module starts nothing. */
export const executorMain = fileURLToPath(new URL('./main.ts', import.meta.url))

/** Run once outside any sandbox with NODE_COMPILE_CACHE set, it prepares the compiled code that sandboxes may read. */
export const executorWarmUp = fileURLToPath(new URL('./warm-up.ts', import.meta.url))

export { exitCode } from './exit.ts'
