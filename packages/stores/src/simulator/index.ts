export { BrokenPromise } from './audit.ts'
export { type SimulationResult, simulate } from './simulate.ts'
export { memoryStage, type OpenStage, type Stage } from './stage.ts'
export { createPacedWorld, type World } from './world.ts'
