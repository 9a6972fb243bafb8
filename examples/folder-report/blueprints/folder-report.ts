/**
 * Reports on a folder: workers list and measure its files, an agent reads them and writes REPORT.md, a person approves.
 * The folder must be readable by the workers, and below STAGING_ROOTS of the executor manager.
 */
import { agentResult } from '@tutti/contracts'
import { blueprint, task } from '@tutti/engine'
import { joinMeasurements, type Measurement, type Scan } from '@tutti/example-folder-report'
import { z } from 'zod'

const prompt = `You are given a folder and its measurement, and write a report about it.

- folder/ holds a copy of the folder.
- measurement.json holds what was measured: files, lines, words, headings, links, broken links, TODO marks, duplicate files, largest files, and totals by extension.

Read measurement.json first. Look into folder/: read its README if there is one, and a few of its most telling files. Then write REPORT.md in the workspace: what the folder is for, what it consists of with the measured numbers, what needs care (broken links, TODO marks, duplicates, files that are too large), and what you would do first. Keep to what you have read.`

const input = z.object({
  folder: z.string().startsWith('/', 'must be an absolute path'),
  model: z.string().optional(),
})

const reportOf = (data: unknown) => agentResult.parse(data).files.find((file) => file.path === 'REPORT.md')

const joined = (results: unknown[]) => joinMeasurements(results as Measurement[])

export default blueprint({ name: 'folder_report', version: 1, endpoint: '/reports/folder', input })
  .state('scan', { start: true, to: ['measure', 'failed'] }, ({ input, dispatch }) =>
    dispatch('folder.scan', { folder: input.folder }, { on: { success: 'measure', failure: 'failed' }, timeout: '5m' }),
  )
  .state('measure', { to: ['write'] }, ({ input, data, parallel }) => {
    const { chunks } = data as unknown as Scan
    const tasks = chunks.map((files) => task('folder.measure', { folder: input.folder, files }, { timeout: '5m' }))
    return parallel(tasks, { into: 'write' })
  })
  .state('write', { to: ['review', 'failed'] }, ({ input, last, results, agent, goTo }) => {
    if (last?.status === 'failure') return goTo('failed')
    return agent({
      prompt,
      config: {
        ...(input.model === undefined ? {} : { model: input.model }),
        workspace: {
          folder: { host_path: input.folder, path: 'folder' },
          files: [{ path: 'measurement.json', content: JSON.stringify(joined(results), null, 2) }],
        },
      },
      on: { success: 'review', failure: 'failed' },
      timeout: '1h',
    })
  })
  .state('review', { to: ['done', 'rejected'] }, ({ data, approval, fail }) => {
    // An agent may end its turn content and without the file: nobody should be asked to approve nothing.
    if (!reportOf(data)) return fail('the agent finished without writing REPORT.md', 'NO_REPORT')
    return approval({
      message: 'REPORT.md is written: publish it?',
      on: { approved: 'done', rejected: 'rejected' },
      timeout: '2d',
    })
  })
  .end('done', ({ data, results }) => {
    const report = reportOf(data)
    return {
      measurement: joined(results),
      report: { object_key: report?.key, bytes: report?.size },
      agent: agentResult.parse(data),
    }
  })
  .end('rejected', { outcome: 'failed' })
  .end('failed', { outcome: 'failed' })
