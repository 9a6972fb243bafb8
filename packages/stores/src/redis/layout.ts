/**
 * Where everything lies. Names in keys are written as `text.ts` says; `{p}` is the prefix as hash tag.
 *
 * | key                                | type   | what                                                                       |
 * | ---------------------------------- | ------ | -------------------------------------------------------------------------- |
 * | `{p}`                              | hash   | `layout` (version of this table), `arrivals` and `jobs` (tasks and jobs so far)    |
 * | `{p}:job <job>`                    | hash   | the job: body as JSON, and what scripts look at                              |
 * | `{p}:log <job>`                    | list   | its log; line n is at index n - 1                                          |
 * | `{p}:jobs <status>[ <client>]`      | zset   | jobs by `createdAt`                                                        |
 * | `{p}:labelled <label>`             | zset   | jobs by `createdAt`                                                        |
 * | `{p}:ended`                        | zset   | jobs that have ended, by when                                               |
 * | `{p}:kinds`                        | set    | names and versions of blueprints of which a job was to be woken                  |
 * | `{p}:waking <kind>`                | zset   | jobs by `wakeAt`, which is the lease of those in somebody's hands               |
 * | `{p}:due <kind>`                   | stream | jobs in hand; group `instances`, consumer = the instance                     |
 * | `{p}:feed`                         | stream | one entry per change: which lines of which log                              |
 * | `{p}:task <task>`                  | hash   | the task                                                                   |
 * | `{p}:tasks-of <job>`, `{p}:timers-of <job>` | set | what goes when the job ends                                           |
 * | `{p}:queues`                       | set    | queues that hold tasks                                                     |
 * | `{p}:queue <queue>`                | zset   | tasks to be handed out, all of score 0, in the order of their place            |
 * | `{p}:turns <queue>`                | hash   | turns between fair keys: see scripts/shared/tasks.lua                         |
 * | `{p}:delayed`, `{p}:pickup`, `{p}:leases` | zset | tasks by the instant at which something happens to them                   |
 * | `{p}:tasks-in <queue>`            | hash   | number of tasks by client                                                    |
 * | `{p}:waiting <queue> <client>`     | zset   | tasks that no worker has, by since when                                       |
 * | `{p}:held-by <worker>`             | set    | tasks in the worker's hands                                                |
 * | `{p}:open`                         | hash   | open tasks by concurrency key                                               |
 * | `{p}:held-back <concurrency key>`   | zset   | the others, in the order they were made                                      |
 * | `{p}:timer <timer>`, `{p}:timers`   | hash, zset | timers, and all of them by `dueAt`                                        |
 * | `{p}:worker <worker>`, `{p}:worker-info <worker>`, `{p}:workers` | hash, hash, zset | workers, what they told, all by `expiresAt`    |
 * | `{p}:record <kind> <id>`           | hash   | a record                                                                   |
 * | `{p}:records <kind>`, `{p}:records-of <kind> <owner>`, `{p}:records-about <kind> <ref>` | zset | records, all of score 0, by id     |
 * | `{p}:records-due <kind>`, `{p}:records-expiring` | zset | records by instant                                                   |
 * | `{p}:budget <key>`                 | hash   | what is left of a budget; expires when it says nothing any more                  |
 * | `{p}:news`                         | channel | news as JSON: see scripts/shared/news.lua                                      |
 *
 * Why one slot: a step of a job touches the job, its tasks, their queues and keys, its timers, its children and the feed, and must be
 * taken whole. On a Redis Cluster a script may touch keys of one slot only, so all keys bear one tag, and one Tutti lives on one node of
 * the cluster; others, with other prefixes, may live on other nodes. Spreading one Tutti over several slots can be laid over this later:
 * several stores, each with a prefix of its own, and jobs divided among them by their ids.
 */
import { SchemaVersionError } from '../postgres/migrate.ts'
import { nameText } from './text.ts'

/** Changes with every change of the table that a program of before could not read. */
export const layoutVersion = 1

/** The root of all keys. @throws Error for a prefix that could not be a hash tag */
export const rootOf = (prefix: string): string => {
  if (!/^[^{}\s]+$/.test(prefix))
    throw new Error(`"${prefix}" can't be a prefix of keys: it must not be empty, and hold no braces and no spaces`)
  return `{${prefix}}`
}

export const keyOf = (root: string, station: string, name?: string): string =>
  name === undefined ? `${root}:${station}` : `${root}:${station} ${nameText(name)}`

/** @throws SchemaVersionError when a newer program has been here: going on could destroy what it keeps */
export const checkLayout = (root: string, there: number): void => {
  if (there > layoutVersion)
    throw new SchemaVersionError(
      `the keys of "${root}" have version ${there}, this program knows ${layoutVersion}: run the newer program, or use another prefix or database`,
    )
}
