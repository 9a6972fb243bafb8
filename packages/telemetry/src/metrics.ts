/** Prometheus metrics. The registry is made, never global, so that several servers of one process don't count into each other. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export interface MetricOptions<Label extends string> {
  name: string
  help: string
  labels?: readonly Label[]
}

export interface Metrics {
  readonly contentType: string
  /** All metrics in Prometheus' text format. Gauges are read now. */
  render(): Promise<string>
  counter<Label extends string>(options: MetricOptions<Label>): (labels: Record<Label, string>, by?: number) => void
  /** @param options.buckets upper bounds, in the metric's unit */
  histogram<Label extends string>(
    options: MetricOptions<Label> & { buckets: number[] },
  ): (labels: Record<Label, string>, value: number) => void
  /** `read` is called for each scrape and answers all values there are; a label set it leaves out is gone. A throw, or no answer within 3 s, leaves them out, too. */
  gauge<Label extends string>(
    options: MetricOptions<Label>,
    read: () => Promise<{ labels: Record<Label, string>; value: number }[]>,
  ): void
}

/** Scrapers wait for ten seconds as a rule. */
const readMs = 3_000

/** What does not answer is left out like what fails: it must not cost the whole scrape. */
const soon = async <T>(reading: Promise<T>): Promise<T> => {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${readMs / 1000} s`)), readMs)
  try {
    return await Promise.race([reading, promise])
  } finally {
    clearTimeout(timer)
  }
}

/** Also brings the process's own: memory, CPU, event loop lag, garbage collection. */
export const createMetrics = (options: { onError?: (error: unknown) => void } = {}): Metrics => {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    counter: ({ name, help, labels = [] }) => {
      const counter = new Counter({ name, help, labelNames: [...labels], registers })
      return (values, by = 1) => counter.inc(values, by)
    },
    histogram: ({ name, help, labels = [], buckets }) => {
      const histogram = new Histogram({ name, help, labelNames: [...labels], buckets, registers })
      return (values, value) => histogram.observe(values, value)
    },
    gauge: ({ name, help, labels = [] }, read) => {
      new Gauge({
        name,
        help,
        labelNames: [...labels],
        registers,
        async collect() {
          this.reset()
          try {
            for (const { labels: values, value } of await soon(read())) this.set(values, value)
          } catch (error) {
            // One store that does not answer must not hide the metrics that tell why.
            options.onError?.(error)
            // A gauge without labels would say 0 now, and that is a value like any other.
            if (labels.length === 0) this.remove()
          }
        },
      })
    },
  }
}
