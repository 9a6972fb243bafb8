/** What a worker counts, in the text format of Prometheus. */
export interface TaskMetrics {
  started(skill: string): void
  ended(skill: string, status: string, durationMs: number): void
  text(): string
}

interface Counts {
  running: number
  seconds: number
  ended: Map<string, number>
}

export const createTaskMetrics = (): TaskMetrics => {
  const skills = new Map<string, Counts>()
  const of = (skill: string): Counts => {
    const found = skills.get(skill) ?? { running: 0, seconds: 0, ended: new Map() }
    skills.set(skill, found)
    return found
  }
  return {
    started: (skill) => {
      of(skill).running += 1
    },
    ended: (skill, status, durationMs) => {
      const counts = of(skill)
      counts.running -= 1
      counts.seconds += durationMs / 1000
      counts.ended.set(status, (counts.ended.get(status) ?? 0) + 1)
    },
    text: () => {
      const each = [...skills].map(([name, counts]) => ({ skill: `skill="${escaped(name)}"`, ...counts }))
      return [
        '# HELP worker_tasks_running Tasks at work.',
        '# TYPE worker_tasks_running gauge',
        ...each.map(({ skill, running }) => `worker_tasks_running{${skill}} ${running}`),
        '# HELP worker_tasks_total Tasks that have ended, by the status of their result.',
        '# TYPE worker_tasks_total counter',
        ...each.flatMap(({ skill, ended }) =>
          [...ended].map(([status, count]) => `worker_tasks_total{${skill},status="${escaped(status)}"} ${count}`),
        ),
        '# HELP worker_task_seconds_total Time that tasks took.',
        '# TYPE worker_task_seconds_total counter',
        ...each.map(({ skill, seconds }) => `worker_task_seconds_total{${skill}} ${seconds}`),
        '',
      ].join('\n')
    },
  }
}

const escaped = (label: string): string => label.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
