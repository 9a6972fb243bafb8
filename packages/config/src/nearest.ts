/** The name that was probably meant; null when none is close: a wrong guess is worse than none. */
export function nearest(written: string, names: Iterable<string>): string | null {
  let best: string | null = null
  let least = 3
  for (const name of names) {
    const distance = continues(written, name) || continues(name, written) ? 2 : editDistance(written, name)
    // Of short names nearly everything is close.
    if (distance < least && distance < Math.max(name.length, written.length) / 3) {
      best = name
      least = distance
    }
  }
  return best
}

/** `REDIS_HOSTNAME` goes on from `REDIS_HOST`; `REDIS_PORT_6379_TCP`, which Docker sets, is another name. */
function continues(long: string, short: string): boolean {
  return long.startsWith(short) && /^[A-Za-z]{1,4}$/.test(long.slice(short.length))
}

/** Single letters added, left out, changed or swapped with their neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const changed = cell(above, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let least = Math.min(cell(above, j) + 1, cell(row, j - 1) + 1, changed)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, cell(before, j - 2) + 1)
      row.push(least)
    }
    before = above
    above = row
  }
  return cell(above, b.length)
}

const cell = (row: readonly number[], at: number): number => row[at] ?? 0
