/** The process. */
import { keepCompiled } from '@tutti/config/compile-cache'

keepCompiled()
await import('./program.ts')
