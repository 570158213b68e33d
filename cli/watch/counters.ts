/** One sample of Prometheus' text format. */
interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The counters and gauges of one or more metrics listeners. */
export interface Counters {
  /** The sum of the samples with these labels; 0 if there are none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
  /** The largest of the samples; undefined if there are none. */
  largest(name: string): number | undefined;
  /** The sums of the samples with these labels by the values of another label, largest first. */
  by(name: string, label: string, labels?: Readonly<Record<string, string>>): readonly (readonly [string, number])[];
}

const LINE = /^(\w+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** Reads Prometheus' text format, as far as Metrly writes it. Other lines are ignored. */
export function readCounters(text: string): Counters {
  const samples = text.split("\n").flatMap((line): Sample[] => {
    const [, name, labels = "", value] = LINE.exec(line) ?? [];
    if (name === undefined || !Number.isFinite(Number(value))) return [];
    const read = [...labels.matchAll(LABEL)].map(([, label = "", own = ""]) => [label, own]);
    return [{ name, labels: Object.fromEntries(read), value: Number(value) }];
  });
  const of = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    samples.filter(
      (one) => one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value),
    );
  const total = (some: readonly Sample[]) => some.reduce((sum, { value }) => sum + value, 0);
  return {
    sum: (name, labels) => total(of(name, labels)),
    largest(name) {
      const values = of(name).map(({ value }) => value);
      return values.length === 0 ? undefined : Math.max(...values);
    },
    by(name, label, labels) {
      const sums = new Map<string, number>();
      for (const { labels: own, value } of of(name, labels)) {
        const key = own[label] ?? "";
        sums.set(key, (sums.get(key) ?? 0) + value);
      }
      return [...sums].filter(([, sum]) => sum > 0).sort(([, a], [, b]) => b - a);
    },
  };
}
