/** What in a configuration could only fail later is refused when it is sent, while somebody is there to hear of it. */
import { type TaskConfigPatch, TuttiError } from '@tutti/contracts'
import type { WorkbenchDeps } from '../deps.ts'
import { checkWebhook } from '../webhooks/of-run.ts'
import { schemaFault } from './output.ts'

const at = 'body.config'

/** What it names of capabilities, files and secrets is looked at elsewhere. @throws TuttiError INVALID_BODY with the path of what can't be */
export const checkConfig = (deps: Pick<WorkbenchDeps, 'offersModel' | 'webhooks'>, sent: TaskConfigPatch): void => {
  checkModel(deps, sent.model)
  checkWebhook(deps, sent)
  const fault = schemaFault(sent.output_schema)
  if (fault)
    throw new TuttiError('INVALID_BODY', `${at}.${fault.path}: ${fault.fault}`, { path: `${at}.${fault.path}` })
}

/** @throws TuttiError INVALID_BODY */
export const checkModel = (
  { offersModel }: Pick<WorkbenchDeps, 'offersModel'>,
  model: string | null | undefined,
): void => {
  if (typeof model === 'string' && !offersModel(model))
    throw new TuttiError('INVALID_BODY', `The model ${JSON.stringify(model)} is not offered: see GET /models`, {
      path: `${at}.model`,
    })
}
