export const COMPONENTS = [
  "edge",
  "recorder",
  "publisher",
  "billing",
  "close",
  "quota",
  "notification",
  "tenancy",
  "gateway",
  "kafka",
  "redis",
  "postgres",
] as const;
export type Component = (typeof COMPONENTS)[number];

/** Each with what it does. */
export const FAULTS = {
  kill: "`kill -9`, and a restart",
  freeze: "SIGSTOP between two transactions, for 5 to 60 s, and SIGCONT",
  "freeze-in-transaction": "SIGSTOP inside of a transaction, for 5 to 60 s, and SIGCONT",
  cut: "all its connections break",
  "lost-request": "a request never arrives, and its connection breaks",
  "lost-answer": "a request takes effect, and its connection breaks before the answer",
  "partition-out": "nothing that it sends arrives for some time; no connection ends",
  "partition-in": "nothing arrives at it for some time; no connection ends",
  "refused-writes": "its database, its log or its counters refuse writes",
  "disk-full": "no space is left",
  "clock-ahead": "its clock is 40 days ahead, and then right again",
  "clock-behind": "its clock is 40 days behind, and then right again",
  flush: "it loses everything",
  "stale-replica": "an older copy of it takes its place",
  locale: "another language (Turkish; Kafka: German, as it does not start in Turkish), time zone and formats",
} as const;
export type Fault = keyof typeof FAULTS;
export const FAULT_NAMES: readonly Fault[] = Object.keys(FAULTS).filter((name): name is Fault => name in FAULTS);

export interface Cell {
  readonly component: Component;
  readonly fault: Fault;
}

type Reasons = Partial<Record<Component, string>>;

const SERVERS_CLOCK = "the machine's clock";
const ONLY_COUNTERS = "keeps no counters";
const WRITES_NO_FILES = "writes no files";
const rolesOnly = (reason: string): Reasons => ({ kafka: reason, redis: reason, postgres: reason });
const serversOnly = (reason: string): Reasons => ({
  ...{ edge: reason, recorder: reason, publisher: reason, billing: reason, close: reason },
  ...{ quota: reason, notification: reason, tenancy: reason, gateway: reason },
});

/** Why a pair is not tried. */
const UNTRIED: Partial<Record<Fault, Reasons>> = {
  "freeze-in-transaction": {
    edge: "no database",
    publisher: "no transaction",
    gateway: "no database",
    kafka: "no transaction",
    redis: "no transaction",
  },
  "refused-writes": { gateway: "writes nothing" },
  "disk-full": { ...serversOnly(WRITES_NO_FILES), redis: "no disk of its own", postgres: "no disk of its own" },
  "clock-ahead": rolesOnly(SERVERS_CLOCK),
  "clock-behind": rolesOnly(SERVERS_CLOCK),
  flush: { ...serversOnly(ONLY_COUNTERS), kafka: "keeps the log", postgres: "keeps the ledger" },
  "stale-replica": { ...serversOnly(ONLY_COUNTERS), kafka: "no replica", postgres: "no replica" },
};

/** Why this pair is not tried; undefined: it is. */
export const reasonAgainst = ({ component, fault }: Cell): string | undefined => UNTRIED[fault]?.[component];

/** The cells that make sense, of these components and these faults: names with commas between them. */
export function cells(component?: string, fault?: string): readonly Cell[] {
  const components = chosen("--component", component, COMPONENTS);
  const faults = chosen("--fault", fault, FAULT_NAMES);
  return components
    .flatMap((one) => faults.map((other) => ({ component: one, fault: other })))
    .filter((cell) => reasonAgainst(cell) === undefined);
}

function chosen<Name extends string>(option: string, names: string | undefined, known: readonly Name[]) {
  const asked = names?.split(",");
  if (asked?.some((name) => !known.some((one) => one === name)))
    throw new RangeError(`${option} must be one or some of ${known.join(",")}`);
  return known.filter((name) => asked?.includes(name) ?? true);
}

export const nameOf = ({ component, fault }: Cell): string => `${component} ${fault}`;
