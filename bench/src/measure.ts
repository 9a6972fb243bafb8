/** Small statistics. A figure without its spread says nothing on a shared machine. */
export interface Figure {
  name: string
  unit: string
  median: number
  p99: number
  min: number
  max: number
  samples: number
}

export const figure = (name: string, unit: string, samples: number[]): Figure => {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (fraction: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))] ?? Number.NaN
  return {
    name,
    unit,
    median: at(0.5),
    p99: at(0.99),
    min: at(0),
    max: sorted.at(-1) ?? Number.NaN,
    samples: sorted.length,
  }
}

export const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const before = performance.now()
  await work()
  return performance.now() - before
}

export const table = (figures: Figure[]): string => {
  const number = (value: number): string => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2))
  const rows = [
    ['figure', 'median', 'p99', 'min', 'max', 'n', 'unit'],
    ...figures.map((each) => [
      each.name,
      number(each.median),
      number(each.p99),
      number(each.min),
      number(each.max),
      String(each.samples),
      each.unit,
    ]),
  ]
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 || column === 6 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
