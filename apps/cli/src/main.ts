#!/usr/bin/env node
/** `tutti`: everything from the terminal. */
import { keepCompiled } from '@tutti/config/compile-cache'

keepCompiled()
await import('./program.ts')
