/** The order of the test files. */
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Short files that take long. Without a record of former runs the runner begins with the largest files: these came last, and one process
 * worked on the guides while the others were idle.
 */
const early = [
  'test/docs/guides.test.ts',
  'test/configuration/workbench-variables.test.ts',
  'test/configuration/variables.test.ts',
  'packages/sandbox/src/bubblewrap/bubblewrap.test.ts',
  'packages/objects/test/s3-conformance.test.ts',
  'apps/cli/test/up.test.ts',
  'apps/cli/test/refusals.test.ts',
  'packages/stores/test/postgres.test.ts',
]

const rank = ({ moduleId }: TestSpecification): number => {
  const found = early.findIndex((path) => moduleId.endsWith(`/${path}`))
  return found === -1 ? early.length : found
}

/** A class, because the runner makes one. */
export class EarlyFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}
