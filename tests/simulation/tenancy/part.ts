import { TENANCY_CHANGED, USAGE_RECEIVED } from "#schema/topics.js";
import type { Phase } from "../engine/phase.js";
import type { Scheduler } from "../engine/scheduler.js";
import { createChangeHistory } from "../judge/tenancy/history.js";
import { headOf, type JudgedChanges, judgeChanges, judgeChangesAtRest, outdatedNow } from "../judge/tenancy/judge.js";
import type { SimulatedLog } from "../ports/log.js";
import type { Reachable } from "../ports/requests.js";
import { staleOf, startOperators } from "./operators.js";
import { actorOfPast, PAST } from "./past.js";

export interface TenancyPartOptions {
  readonly scheduler: Scheduler;
  readonly log: SimulatedLog;
  /** Looks at tenancy's database. */
  readonly database: JudgedChanges["tenancy"];
  readonly partitionCount: number;
  readonly processes: () => readonly Reachable[];
  isOneFrozen(): boolean;
  readonly commands: number;
  readonly withBackfill: boolean;
}

const UNPUBLISHED = "SELECT count(*) AS rows FROM outbox WHERE key NOT LIKE 'heartbeat:%'";

/** Tenancy's changes in a run: who asks for them, what is always true of them, and what at rest. */
export function startTenancyPart(options: TenancyPartOptions): { judge(): Promise<string[]>; readonly phase: Phase } {
  const { log, database: tenancy, processes, partitionCount } = options;
  const history = createChangeHistory(
    PAST.map((command, place) => ({ actor: actorOfPast(place), command, after: place })),
  );
  const head = () => headOf(tenancy);
  const operators = startOperators({ ...options, history, head });
  const records = () =>
    log.stored(TENANCY_CHANGED, 0).map(({ key = "", value }) => ({ key: key ?? "", text: value.toString("utf8") }));
  const judged: JudgedChanges = {
    ...{ history, tenancy, records, stale: (version) => staleOf(processes(), version) },
    announced: () =>
      Array.from({ length: partitionCount }, (_, partition) =>
        log.stored(USAGE_RECEIVED, partition).map(({ value }) => value.toString("utf8")),
      ),
  };

  return {
    judge: () => judgeChanges(judged),
    phase: {
      async open() {
        if (options.isOneFrozen()) return "a process is frozen";
        if (!operators.isDone()) return `requests of operators are under way, ${history.attempts.length} so far`;
        const [{ rows = 0 } = {}] = await tenancy<{ rows: number }>(UNPUBLISHED);
        if (rows > 0) return `${rows} changes of tenancy are not published`;
        const [outdated] = await outdatedNow(judged);
        if (outdated !== undefined) return outdated;
        const version = await head();
        const behind = processes().find(({ serving }) => (serving()?.known?.().version ?? version) < version);
        return behind === undefined ? undefined : `${behind.instance.name} has not reached version ${version}`;
      },
      judge: () => judgeChangesAtRest(judged),
    },
  };
}
