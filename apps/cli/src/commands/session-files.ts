/** `tutti session …`: the files of one, fetched, compared with a folder of this machine, and put into it. */
import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Workbench, WorkspaceFile } from '@tutti/client'
import type { Command } from 'commander'
import { UsageError } from '../faults.ts'
import { type LocalChange, localChanges, patchOf } from '../session/changes.ts'
import { downloadAll } from '../session/download.ts'
import { inside } from '../session/inside.ts'
import { sessionOf } from '../session/named.ts'
import { harmless } from '../session/printer.ts'
import { type OutputFlags, printAll, printJson } from './print.ts'

const fileLine = ({ path, size }: WorkspaceFile): string => `${String(size).padStart(10)}  ${harmless(path)}`
const signs = { added: '+', modified: '~', deleted: '-' } as const

export const addSessionFiles = (
  command: (words: string, description: string) => Command,
  workbench: () => Promise<Workbench>,
): void => {
  const filesOf = async (given: string, run: string | undefined) => {
    const api = await workbench()
    const files = run === undefined ? await api.sessions.files(await sessionOf(api, given)) : await api.runs.files(run)
    return { api, files }
  }
  command('files <id>', 'the files of its workspace')
    .option('--run <id>', 'as this run left them')
    .action(async (given: string, { run, json }: OutputFlags & { run?: string }) => {
      printAll({ json }, (await filesOf(given, run)).files, fileLine)
    })
  command('download <id> <folder>', 'write the files of its workspace there')
    .option('--run <id>', 'as this run left them')
    .action(async (given: string, folder: string, { run, json }: OutputFlags & { run?: string }) => {
      const { api, files } = await filesOf(given, run)
      await downloadAll(api, files, resolve(folder))
      if (json) printJson({ files: files.map(({ path }) => path) })
      else process.stdout.write(`${files.length} files written to ${resolve(folder)}\n`)
    })
  command(
    'diff <id> [folder]',
    'what the agent has changed, against a folder of yours (default: this one), as a patch',
  ).action(async (given: string, folder = '.', { json }: OutputFlags) => {
    const api = await workbench()
    const { changes, withheld } = await localChanges(api, await sessionOf(api, given), resolve(folder))
    if (json) return printJson({ changes: changes.map(({ path, kind }) => ({ path, kind })), withheld })
    tellWithheld(withheld)
    process.stdout.write(await patchOf(api, resolve(folder), changes))
  })
  command('apply <id> [folder]', 'make in a folder of yours (default: this one) the changes that diff shows')
    .option('--force', 'also over changes of yours that are not committed', false)
    .action(async (given: string, folder = '.', { json, force }: OutputFlags & { force: boolean }) => {
      const api = await workbench()
      const root = resolve(folder)
      const { changes, withheld } = await localChanges(api, await sessionOf(api, given), root)
      if (!force) await refuseToOverwrite(root, changes)
      tellWithheld(withheld)
      await downloadAll(
        api,
        changes.flatMap(({ file, path }) => (file ? [{ ...file, path }] : [])),
        root,
      )
      for (const { path, file } of changes) if (!file) await rm(await inside(root, path))
      printAll(
        { json },
        changes.map(({ path, kind }) => ({ path, kind })),
        ({ path, kind }) => `${signs[kind]} ${path}`,
      )
    })
}

const tellWithheld = (paths: readonly string[]): void => {
  if (paths.length > 0)
    process.stderr.write(`changed as well, but not exported from the workspace: ${harmless(paths.join(', '))}\n`)
}

/** What git keeps can be had again; nothing else is overwritten unless that is wanted. */
const refuseToOverwrite = async (root: string, changes: readonly LocalChange[]): Promise<void> => {
  const paths = changes.filter(({ kind }) => kind !== 'added').map(({ path }) => path)
  if (paths.length === 0) return
  const status = [
    '-C',
    root,
    'status',
    '--porcelain',
    '--ignored',
    '-z',
    '--',
    ...paths.map((path) => `:(literal)${path}`),
  ]
  const dirty = await promisify(execFile)('git', status, { maxBuffer: 16_000_000 }).then(
    ({ stdout }) => stdout.split('\0').flatMap((line) => (line === '' ? [] : [line.slice(3)])),
    () => undefined,
  )
  if (dirty === undefined)
    throw new UsageError(
      `${root} is in no git repository, so what would be overwritten could not be had again: ${paths.join(', ')}\nLook at tutti session diff, then use --force`,
    )
  if (dirty.length > 0)
    throw new UsageError(`you have changes that are not committed in ${dirty.join(', ')}: commit them, or use --force`)
}
