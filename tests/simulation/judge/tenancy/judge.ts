import { isDeepStrictEqual } from "node:util";
import type { State } from "../../terms/commands.js";
import type { Attempt, ChangeHistory } from "./history.js";
import { judgePublished, outdatedIn, type PublishedRecord } from "./published.js";
import { effectOf, keyOf, type Outcome, outcomesOf } from "./rules.js";
import { createWorld, type Entry, type World } from "./world.js";

type Look = <Row extends object>(text: string) => Promise<Row[]>;

/** What the judge of tenancy may look at. It shares no code with the product. */
export interface JudgedChanges {
  readonly history: ChangeHistory;
  readonly tenancy: Look;
  /** Tenancy's topic. */
  records(): readonly PublishedRecord[];
  /** The texts that tenancy sent to ingestion, per partition. */
  announced(): readonly (readonly string[])[];
  /** What processes would decide wrongly by now, given that everyone was said to act on a version. */
  stale(version: number): readonly string[];
}

/** The last version that tenancy has committed. */
export async function headOf(tenancy: Look): Promise<number> {
  const [row] = await tenancy<{ version: number }>("SELECT version FROM tenancy_head");
  return row?.version ?? 0;
}

interface AuditRow {
  readonly actor: string;
  readonly action: string;
  readonly key: string;
  readonly after: State;
}

/** One statement: the rows and their history are of one moment. */
const EVERYTHING = `SELECT
  (SELECT coalesce(json_agg(json_build_object('actor', actor, 'action', action, 'key', target, 'after', after) ORDER BY id), '[]')
     FROM audit_entry) AS entries,
  (SELECT version FROM tenancy_head) AS head,
  (SELECT coalesce(json_agg(json_build_object('key', key, 'version', version, 'name', name, 'mark', mark)), '[]') FROM (
     SELECT 'tenant:' || id AS key, version, name, status AS mark FROM tenant
     UNION ALL SELECT 'plan:' || p.id, p.version, name, p.archived || ' ' || (SELECT count(*) FROM plan_version v WHERE v.plan_id = p.id)
       FROM plan p
     UNION ALL SELECT 'meter:' || id, version, name, coalesce(archived_in_version::text, '-') FROM meter
     UNION ALL SELECT 'apiKey:' || id, version, name, (revoked_at IS NOT NULL)::text FROM api_key) states) AS rows`;

interface Everything {
  readonly entries: readonly AuditRow[];
  readonly head: number;
  readonly rows: readonly {
    readonly key: string;
    readonly version: number;
    readonly name: string;
    readonly mark: string;
  }[];
}

async function lookAt({ tenancy, history }: JudgedChanges) {
  const [found = { entries: [], head: 0, rows: [] }] = await tenancy<Everything>(EVERYTHING);
  const entries: Entry[] = found.entries.map((row) => ({ ...row, version: row.after.version }));
  const commands = new Map(history.attempts.map(({ actor, command }) => [actor, command]));
  return { ...found, entries, world: createWorld(entries, (actor) => commands.get(actor)) };
}

/** What must be true at any moment; the answer names what is not. */
export async function judgeChanges(judged: JudgedChanges): Promise<string[]> {
  const { history } = judged;
  const { entries, head, rows, world } = await lookAt(judged);
  const wrong = [...history.stale];
  for (const [index, { version, key }] of entries.entries())
    if (version !== index + 1) wrong.push(`the ${index + 1}th change, of ${key}, has version ${version}`);
  if (wrong.length > 0) return wrong;
  if (head !== entries.length) wrong.push(`tenancy is at version ${head} after ${entries.length} changes`);
  wrong.push(...judgeRows(rows, world));
  const told = Math.max(0, ...history.told.map(({ version }) => version));
  wrong.push(...judged.stale(told));

  const byActor = new Map<string, Entry>();
  const attempts = new Map(history.attempts.map((attempt) => [attempt.actor, attempt]));
  for (const entry of entries) {
    const attempt = attempts.get(entry.actor);
    if (attempt === undefined) wrong.push(`nobody asked for version ${entry.version}, of ${entry.key}`);
    else if (byActor.has(entry.actor)) wrong.push(`${nameOf(attempt)} took effect twice`);
    else wrong.push(...judgeEffect(entry, attempt, world));
    byActor.set(entry.actor, entry);
  }
  for (const attempt of history.attempts) wrong.push(...judgeAnswer(attempt, byActor.get(attempt.actor), world));
  wrong.push(...judgePublished(judged.records(), entries, history), ...judgeUses(history));
  return wrong;
}

const nameOf = ({ actor, command }: Attempt): string =>
  `${actor}'s ${command.kind} of ${keyOf(command) ?? "a new key"}`;

/** The rows are what the last change said. */
function judgeRows(rows: Everything["rows"], world: World): string[] {
  const found = new Map(rows.map(({ key, version, name, mark }) => [key, `${version} ${name} ${mark}`]));
  return world.keys.flatMap((key) => {
    const state = world.at(key, world.head);
    const wanted = state === undefined ? "" : `${state.version} ${state.name} ${markOf(state)}`;
    return found.get(key) === wanted
      ? []
      : [`the row of ${key} is "${found.get(key)}", its last change was "${wanted}"`];
  });
}

function markOf(state: State): string {
  if (state.kind === "tenant") return String(state.status);
  if (state.kind === "plan") return `${state.archived} ${(state.versions as readonly unknown[]).length}`;
  return state.kind === "meter" ? String(state.archivedInVersion ?? "-") : String(state.revokedAt !== null);
}

/** A change is what was asked for, made of the state right before it, and nothing else. */
function judgeEffect({ version, key, action, after, actor }: Entry, attempt: Attempt, world: World): string[] {
  const { command } = attempt;
  const name = `version ${version}, ${actor}'s ${command.kind},`;
  const outcomes = outcomesOf(command, world, version - 1);
  const wrong = outcomes.includes("changed") ? [] : [`${name} was to be ${outcomes}`];
  if (version <= attempt.after) wrong.push(`${name} is older than its request`);
  const before = world.at(key, version - 1);
  const { action: wanted, touches, isDone } = effectOf(command, version, world);
  if (action !== wanted || key !== (keyOf(command) ?? key)) wrong.push(`${name} is ${action} of ${key}`);
  if ((before === undefined) !== (touches === undefined)) return [...wrong, `${name} creates ${key} again`];
  if (!isDone(after, before ?? after)) wrong.push(`${name} left ${JSON.stringify(after)}`);
  if (before === undefined || touches === undefined) return wrong;
  const fields = new Set([...Object.keys(before), ...Object.keys(after)]);
  for (const field of ["version", "reason", ...touches]) fields.delete(field);
  for (const field of fields)
    if (!isDeepStrictEqual(before[field], after[field])) wrong.push(`${name} also changed ${field} of ${key}`);
  return wrong;
}

/** What was answered was true at a moment between the request and the answer. */
function judgeAnswer(attempt: Attempt, entry: Entry | undefined, world: World): string[] {
  const { command, answer, refusal, after } = attempt;
  const name = nameOf(attempt);
  const wasOnce = (outcome: Outcome, until: number, state?: State): boolean => {
    for (let version = after; version <= Math.min(until, world.head); version += 1)
      if (outcomesOf(command, world, version).includes(outcome) && (state === undefined || isAt(state, version, world)))
        return true;
    return false;
  };
  if (refusal !== undefined) {
    if (entry !== undefined) return [`${name} was refused and took effect`];
    return wasOnce(refusal as Outcome, Number.POSITIVE_INFINITY) ? [] : [`${name} was refused with ${refusal}`];
  }
  if (answer === undefined) return [];
  const { state } = answer.changed;
  if (entry === undefined)
    return wasOnce("same", answer.before, state)
      ? []
      : [`${name} was answered with version ${state.version} and is lost`];
  const isRight = entry.version === state.version && entry.version <= answer.before && isSame(entry.after, state);
  return isRight ? [] : [`${name} was answered with ${JSON.stringify(state)}, and is version ${entry.version}`];
}

function isAt(state: State, version: number, world: World): boolean {
  const there = world.at(`${state.kind}:${state.id}`, version);
  return there !== undefined && isSame(there, state);
}

/** The audit log has a reason beside the state, and no hash. */
function isSame({ reason: _, ...stored }: State, { hash: __, ...answered }: State): boolean {
  return isDeepStrictEqual(stored, answered);
}

/** A key is good from the answer to its issue to that to its revocation. */
function judgeUses({ attempts, told, uses }: ChangeHistory): string[] {
  const toldAt = new Map(told.map(({ actor, at }) => [actor, at]));
  const [issued, revoked] = [new Map<string, number>(), new Map<string, number>()];
  const asked = new Set<string>();
  for (const { actor, command, answer } of attempts) {
    const at = toldAt.get(actor);
    if (command.kind === "revokeKey") {
      asked.add(command.id);
      if (at !== undefined) revoked.set(command.id, Math.min(at, revoked.get(command.id) ?? at));
    }
    if (command.kind === "issueKey" && at !== undefined && answer !== undefined)
      issued.set(answer.changed.state.id, at);
  }
  return uses.flatMap(({ keyId, sentAt, isGood }) => {
    if (isGood === true && (revoked.get(keyId) ?? sentAt) < sentAt)
      return [`${keyId} was taken at step ${sentAt}, and revoked everywhere at step ${revoked.get(keyId)}`];
    if (isGood === false && !asked.has(keyId) && (issued.get(keyId) ?? sentAt) < sentAt)
      return [`${keyId} was refused at step ${sentAt}, and known everywhere at step ${issued.get(keyId)}`];
    return [];
  });
}

/** What must be true when everything is answered and published. */
export async function judgeChangesAtRest(judged: JudgedChanges): Promise<string[]> {
  const { world } = await lookAt(judged);
  const wrong = [...(await judgeChanges(judged)), ...outdatedIn(judged.records(), world)];
  for (const meter of world.all("meter", world.head).filter(({ backfill }) => backfill === true))
    for (const [partition, texts] of judged.announced().entries()) {
      const isThere = texts.some((text) => isBackfill(JSON.parse(text), meter));
      if (!isThere) wrong.push(`partition ${partition} does not know that ${meter.id} counts what came before it`);
    }
  return wrong;
}

const isBackfill = (record: Readonly<Record<string, unknown>>, meter: State): boolean =>
  record.kind === "backfill" && record.meterKey === meter.id && record.tenancyVersion === meter.createdInVersion;

/** The states that tenancy's topic lacks, or has before older ones: they are to be published again. */
export const outdatedNow = async (judged: JudgedChanges): Promise<string[]> =>
  outdatedIn(judged.records(), (await lookAt(judged)).world);
