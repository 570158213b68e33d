import { isDeepStrictEqual } from "node:util";
import type { State } from "../../terms/commands.js";
import type { ChangeHistory } from "./history.js";
import type { Entry, World } from "./world.js";

/** A record of tenancy's topic. */
export interface PublishedRecord {
  readonly key: string;
  readonly text: string;
}

const HEARTBEAT = "heartbeat:heartbeat";
/** What the audit log leaves out, and what it has beside the state. */
const known = ({ hash: _, reason: __, ...state }: State): object => state;

/** What a reader of the topic may rely on, at each of its records. */
export function judgePublished(
  records: readonly PublishedRecord[],
  entries: readonly Entry[],
  { told, attempts, past }: ChangeHistory,
): string[] {
  const wrong: string[] = [];
  const newest = new Map<string, number>();
  const lastOfPast = new Map(entries.slice(0, past).map(({ key, version }) => [key, version]));
  /** What is restored in a wiped log are the newest states. */
  const isRestored = (version: number, key: string): boolean => version > past || lastOfPast.get(key) === version;
  /** The version that a copy claims after so many records. */
  const claimed: number[] = [0];
  for (const [place, { key, text }] of records.entries()) {
    const state = JSON.parse(text) as State;
    const before = claimed.at(-1) ?? 0;
    const reached = Math.max(before, state.version);
    claimed.push(reached);
    if (key !== HEARTBEAT) {
      const entry = entries[state.version - 1];
      if (entry?.key !== key || !isDeepStrictEqual(known(entry.after), known(state)))
        wrong.push(`record ${place} of tenancy's topic is not version ${state.version} of ${key}`);
      newest.set(key, Math.max(newest.get(key) ?? 0, state.version));
    }
    for (let version = before + 1; version <= reached; version += 1) {
      const of = entries[version - 1]?.key;
      if (of === undefined)
        wrong.push(`record ${place} of tenancy's topic claims version ${reached}, which is none yet`);
      else if (isRestored(version, of) && (newest.get(of) ?? 0) < version)
        wrong.push(`record ${place} of tenancy's topic claims version ${reached} before version ${version} of ${of}`);
    }
  }
  const versionOf = new Map(entries.map(({ actor, version }) => [actor, version]));
  const commands = new Map(attempts.map((attempt) => [attempt.actor, attempt]));
  for (const { actor, version, records: length } of told) {
    const needed = Math.max(version, versionOf.get(actor) ?? 0);
    if ((claimed[length] ?? 0) < needed)
      wrong.push(
        `everyone was said to act on version ${needed} (${commands.get(actor)?.command.kind}), which was not in the log`,
      );
  }
  return wrong;
}

/** What compaction keeps is the newest state of everything. */
export function outdatedIn(records: readonly PublishedRecord[], world: World): string[] {
  const last = new Map(records.map(({ key, text }) => [key, (JSON.parse(text) as State).version]));
  return world.keys.flatMap((key) => {
    const wanted = world.at(key, world.head)?.version;
    return last.get(key) === wanted
      ? []
      : [`tenancy's topic ends with version ${last.get(key)} of ${key}, not ${wanted}`];
  });
}
