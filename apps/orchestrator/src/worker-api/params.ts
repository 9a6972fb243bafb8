import { workerId } from '@tutti/contracts'
import { z } from 'zod'

export const workerParams = z.object({ worker_id: workerId })
