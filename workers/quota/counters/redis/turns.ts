import { newUuid } from "#platform/lifecycle/random.js";
import { monotonicMs, nextTurn } from "#platform/lifecycle/time.js";
import { slicedHead } from "../tenant/storing.js";
import { CLOCK_TOLERANCE_MS } from "./clock.js";
import { absence, answerOf, type Commit, type CommitAnswer, headOf, listOf, pairsOf } from "./commit.js";
import { COMMIT_LUA } from "./lua.js";
import type { Replica } from "./replica.js";
import { type Incarnation, isReplyError, type RedisServer, scriptOf } from "./server.js";

export interface TurnsOptions {
  readonly server: RedisServer;
  /** Tenants with the same value may share a call: in a cluster, those of one slot. */
  readonly together?: ((tenantId: string) => number) | undefined;
  /** Called for a tenant whose state changed, if it has bounds. */
  readonly onBounded: (tenantId: string) => void;
}

type Answer = Exclude<CommitAnswer, { kind: "other" }> | { readonly kind: "again" };

interface Part {
  readonly replica: Replica;
  readonly commit: Commit;
}

/** A call blocks Redis, so it must be short. */
const TENANTS_PER_CALL = 64;
const CHARACTERS_PER_CALL = 262_144;
/** Work on the event loop between two turns of it, in operations. */
const WORK_PER_TURN = 512;
/** Fields or reservations of a large state that are read at once. */
const READ_PER_SLICE = 500;
/** Tenants that came within this time share the event loop. */
const SHARED_FOR_MS = 100;
const COMMIT = scriptOf(COMMIT_LUA);

/** Calls in flight: what arrives meanwhile shares the next one, so that they grow under load. */
const WAVES = 2;

/** Takes the tenants with waiting steps to the store: those of one turn of the event loop together. */
export function createTurns({ server, together, onBounded }: TurnsOptions) {
  const ready = new Set<Replica>();
  const busy = new Set<Replica>();
  let waves = 0;
  let latest: Replica | undefined;
  /** When another tenant came than the one before. */
  let changedAt = Number.NEGATIVE_INFINITY;
  /** The name of an incarnation that is over. */
  let past = "";

  function join(replica: Replica): void {
    if (latest !== undefined && replica !== latest) changedAt = monotonicMs();
    latest = replica;
    if (busy.has(replica)) return;
    ready.add(replica);
    if (ready.size === 1) nextTurn(flush);
  }

  function flush(): void {
    if (ready.size === 0 || waves >= WAVES) return;
    waves += 1;
    // It never rejects: it settles its own tenants.
    void wave().then(() => {
      waves -= 1;
      // After those who got an answer had a turn to ask for more.
      nextTurn(flush);
    });
  }

  async function wave(): Promise<void> {
    let known = server.known();
    if (known === undefined) {
      try {
        known = await server.learn();
      } catch (error) {
        failReady(error);
        return;
      }
    }
    const incarnation = known;
    const parts = take(incarnation);
    if (ready.size > 0) nextTurn(flush);
    await Promise.all(callsOf(parts).map((call) => commit(call, incarnation)));
  }

  function take({ name, clock }: Incarnation): Part[] {
    const parts: Part[] = [];
    const now = clock.now();
    let work = 0;
    const isShared = monotonicMs() - changedAt < SHARED_FOR_MS;
    for (const replica of ready) {
      if (parts.length >= TENANTS_PER_CALL || work >= WORK_PER_TURN) break;
      ready.delete(replica);
      try {
        const commit = replica.prepare(name, now, isShared);
        work += commit.work;
        busy.add(replica);
        parts.push({ replica, commit });
      } catch (error) {
        replica.fail(error);
      }
    }
    return parts;
  }

  function callsOf(parts: readonly Part[]): readonly (readonly Part[])[] {
    const calls: Part[][] = [];
    const open = new Map<number, { call: Part[]; size: number }>();
    for (const part of parts) {
      const of = together?.(part.replica.tenantId) ?? 0;
      const held = open.get(of);
      if (held !== undefined && held.size + part.commit.characters <= CHARACTERS_PER_CALL) {
        held.call.push(part);
        held.size += part.commit.characters;
        continue;
      }
      const call = [part];
      calls.push(call);
      open.set(of, { call, size: part.commit.characters });
    }
    return calls;
  }

  async function commit(call: readonly Part[], incarnation: Incarnation): Promise<void> {
    try {
      const answers = await ask(call, incarnation);
      for (const [index, { replica }] of call.entries()) settle(replica, answers[index] ?? AGAIN);
    } catch (error) {
      for (const { replica } of call) {
        busy.delete(replica);
        replica.fail(error);
      }
      // The store does not answer: what is queued would only wait out its own time-out.
      if (!isRefusal(error)) failReady(error);
    }
  }

  async function ask(call: readonly Part[], { name, clock }: Incarnation): Promise<readonly Answer[]> {
    const mark = server.mark();
    const writes = call.some((one) => one.commit.writes);
    const keys = [...call.flatMap(({ replica }) => replica.keys), ...mark.keys];
    const parts = JSON.stringify(call.map(({ commit }) => commit.part));
    const absent = absence(name, newUuid());
    const about = [String(clock.now()), String(CLOCK_TOLERANCE_MS), name, past, absent, parts];
    const args = () => [...about, writes ? "1" : "", ...mark.args()];
    const sentAt = monotonicMs();
    const [redisNow, ...replies] = listOf(await server.evaluate(COMMIT, keys, args));
    if (replies.length === 0) {
      await server.judgeClock();
      return [];
    }
    if (typeof replies[0] === "string") {
      const current = await server.learnAgain(replies[0], mark, name);
      if (current.name !== name) past = name;
      return [];
    }
    if (writes || replies.some((reply) => reply !== 1)) mark.confirm();
    clock.heard(Number(redisNow), sentAt);
    return judged(replies.map(answerOf), name);
  }

  /** A tenant that is missing or of another incarnation may say that this process missed the beginning of one. */
  async function judged(answers: readonly CommitAnswer[], name: string): Promise<readonly Answer[]> {
    const other = answers.find((answer) => answer.kind === "other");
    const isDoubtful = other !== undefined || answers.some(({ kind }) => kind === "missing");
    const current = isDoubtful ? (await server.verified()).name : name;
    if (current !== name) past = name;
    else if (other !== undefined) past = other.incarnation;
    return answers.map((answer) =>
      answer.kind === "other" || (answer.kind === "missing" && current !== name) ? AGAIN : answer,
    );
  }

  function settle(replica: Replica, answer: Answer): void {
    try {
      if (replica.settle(answer)) onBounded(replica.tenantId);
    } catch (error) {
      replica.fail(error);
    }
    if (answer.kind === "scan" && replica.isWaiting()) void scan(replica).then(() => done(replica));
    else done(replica);
  }

  function done(replica: Replica): void {
    busy.delete(replica);
    if (replica.isWaiting()) join(replica);
  }

  /** What changes meanwhile is read afterwards, from the log. */
  async function scan(replica: Replica): Promise<void> {
    try {
      const [head, reservations] = replica.keys;
      if (replica.wantsHead()) await scanHead(replica, head);
      for await (const flat of slicesOf(reservations)) replica.add(pairsOf(flat));
    } catch (error) {
      replica.fail(error);
    }
  }

  async function scanHead(replica: Replica, key: string): Promise<void> {
    const fields = new Map<string, string>();
    for await (const flat of slicesOf(key)) for (const [name, packed] of headOf(flat)) fields.set(name, packed);
    for (const slice of slicedHead(fields, READ_PER_SLICE)) {
      replica.addHead(slice);
      await new Promise<void>(nextTurn);
    }
  }

  async function* slicesOf(key: string): AsyncGenerator<readonly string[]> {
    for (let cursor = "0"; ; ) {
      const [next, flat] = await server.ask((redis) => redis.hscan(key, cursor, "COUNT", READ_PER_SLICE));
      yield flat;
      if (next === "0") return;
      cursor = next;
    }
  }

  function failReady(error: unknown): void {
    const all = [...ready];
    ready.clear();
    for (const replica of all) replica.fail(error);
  }

  return {
    /** The tenant has waiting steps. */
    join,
    isBusy: (replica: Replica): boolean => busy.has(replica) || ready.has(replica),
    stop: failReady,
  };
}

const AGAIN: Answer = { kind: "again" };

const isRefusal = (error: unknown): boolean => error instanceof Error && isReplyError(error.cause);
