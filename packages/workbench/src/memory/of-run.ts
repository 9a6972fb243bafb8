/**
 * POST /api/v1/runs/{id}/memory: what an agent asks of its user's memory, fenced by the run's lease: one that was replaced reads and
 * writes nothing. Each write stands in the session's log, without the text of what was forgotten.
 */
import { type MemoryAnswer, type MemoryCall, type MemoryView, type runMemory, TuttiError } from '@tutti/contracts'
import type { z } from 'zod'
import { type Holder, heldRun } from '../claim/held-run.ts'
import type { Queryable } from '../database/database.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { changeSession, type SessionChange } from '../session/change-session.ts'
import type { RunRow } from '../session/rows.ts'
import { updateRun } from '../session/runs.ts'
import { storable } from '../session/storable.ts'
import { meaningOf } from './embeddings/embed-memories.ts'
import { type AgentScope, addMemory, changeMemory, forget, listMemories, readMemory } from './memories.ts'
import { type Meaning, searchIn } from './search.ts'

/** An agent that goes in circles must not fill the memory with it. */
const mostWrites = 100

/** @throws TuttiError RUN_NOT_FOUND, LEASE_LOST, FORBIDDEN where the run has no memory, MEMORY_NOT_FOUND, MEMORY_FULL */
export const useMemory = async (
  deps: WorkbenchDeps,
  runId: string,
  { call: sent, ...holder }: z.output<typeof runMemory>,
): Promise<MemoryAnswer> => {
  const call = storable(sent) as MemoryCall
  // Before the session is locked: a model may take seconds, and what is asked of it is told again below.
  const meaning = call.op === 'search' ? await meant(deps, runId, holder, call.query) : null
  const answer = await changeSession(deps.database, { runId }, async (change) => {
    const run = await mayUse(change.tx, runId, holder)
    const scope = { userId: run.user_id, projectId: change.session.project_id, runId }
    return { memories: await carryOut(change, run, scope, call, meaning) }
  })
  if (!answer) throw new TuttiError('RUN_NOT_FOUND', 'Run not found')
  return answer
}

/** @throws TuttiError RUN_NOT_FOUND, LEASE_LOST, FORBIDDEN */
const mayUse = async (tx: Queryable, runId: string, holder: Holder): Promise<RunRow> => {
  const run = await heldRun(tx, runId, holder)
  if (run.config.memory_enabled !== true)
    throw new TuttiError('FORBIDDEN', 'The memory is not switched on for this run')
  return run
}

const meant = async (deps: WorkbenchDeps, runId: string, holder: Holder, query: string): Promise<Meaning | null> => {
  if (deps.embeddings === null) return null
  const { user_id: userId, session_id: sessionId } = await mayUse(deps.database, runId, holder)
  return meaningOf(deps, { userId, sessionId }, query)
}

const carryOut = async (
  change: SessionChange,
  run: RunRow,
  scope: AgentScope,
  call: MemoryCall,
  meaning: Meaning | null,
): Promise<MemoryView[]> => {
  const { tx } = change
  if (call.op === 'search') return searchIn(tx, scope, call, meaning)
  if (call.op === 'list') return listMemories(tx, scope, call)
  if (call.op === 'get') return [await readMemory(tx, scope, call.id)]

  if (run.memory_writes >= mostWrites)
    throw new TuttiError('MEMORY_FULL', `This run has changed the memory ${mostWrites} times already`)
  await updateRun(tx, run, { memory_writes: run.memory_writes + 1 })
  const written = await write(change, scope, call)
  const id = call.op === 'add' ? (written?.id ?? null) : call.id
  change.log('memory.update', { run_id: run.id, op: call.op, memory_id: id, memory: written?.memory ?? null })
  return written === null ? [] : [written]
}

const write = async (
  { tx }: SessionChange,
  scope: AgentScope,
  call: MemoryCall & { op: 'add' | 'update' | 'delete' },
): Promise<MemoryView | null> => {
  if (call.op === 'update') return changeMemory(tx, scope, call.id, call)
  if (call.op === 'delete') {
    await forget(tx, scope, call.id)
    return null
  }
  const { userId, projectId, runId } = scope
  return addMemory(tx, userId, { text: call.text, projectId: call.only_this_project ? projectId : null, runId })
}
