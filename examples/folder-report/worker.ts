/** The worker of the folder report: `npx tutti worker examples/folder-report/worker.ts`. */
import { defineWorker, skill } from '@tutti/worker'
import { measureFiles, measureParams, scanFolder, scanParams } from './src/index.ts'

/** Folders that may be read, separated by ':'. Unset or empty: every folder that this process may read. */
const roots = process.env.FOLDER_ROOTS ? process.env.FOLDER_ROOTS.split(':').filter(Boolean) : undefined

export default defineWorker({
  type: 'folder-report',
  skills: {
    'folder.scan': skill({ params: scanParams, run: (params, task) => scanFolder(params, { ...task, roots }) }),
    'folder.measure': skill({ params: measureParams, run: (params, task) => measureFiles(params, { ...task, roots }) }),
  },
})
