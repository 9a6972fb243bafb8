/**
 * Loads what the executor loads and ends. The manager runs it once, outside any sandbox, with NODE_COMPILE_CACHE set:
 * the compiled code is then mounted read-only into every sandbox, and the first request for work leaves after 60 ms
 * instead of 95.
 * Never let a sandbox write to that folder: what one agent put there, the next sandbox's executor would run.
 */
import { flushCompileCache } from 'node:module'
import { createClaudeRuntime } from '@tutti/agents'
import './backoff.ts'
import './changes/observe.ts'
import './environment.ts'
import './exit.ts'
import './forwarder.ts'
import './log.ts'
import './relay.ts'
import './serve.ts'

const nowhere = { executable: '', baseUrl: '', authToken: '', cwd: '', configDir: '', env: {} }
await createClaudeRuntime(nowhere).prepare()
flushCompileCache()
