export { joinMeasurements } from './join.ts'
export { type Measurement, type MeasureParams, measureFiles, measureParams } from './measure.ts'
export type { BrokenLink, FileHash, FolderReport, Todo } from './report.ts'
export { type Scan, type ScanParams, scanFolder, scanParams } from './scan.ts'
