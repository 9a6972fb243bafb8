export { BrokenPromise } from './audit.ts'
export { type SimulationResult, simulate } from './simulate.ts'
