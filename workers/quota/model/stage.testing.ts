import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { waitFor } from "../../../tests/servers/servers.js";
import { openWorld, type StartedService, type World } from "../world.testing.js";
import { type Fragile, fragile, type HeldFacts } from "./fragile.testing.js";
import type { Place } from "./place.testing.js";

export const MAX_KEYS = 14;
/** Stories share a world, so that many tenants live side by side; not too many, for the topic of alerts is read as a whole. */
const STORIES_PER_WORLD = 25;

/** Each alert that is put into the outbox, which it leaves when it is published. */
const NOTE_TOLD = `
  CREATE TABLE told (subject TEXT, id TEXT);
  CREATE FUNCTION note_told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO told VALUES (NEW.value::json->>'subject', NEW.value::json->>'id');
    RETURN NEW;
  END $$;
  CREATE TRIGGER note_told AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION note_told();`;

export interface StoredRow {
  readonly epoch: string;
  readonly id: string;
  readonly bound: string;
  readonly until: number;
}

interface Process extends StartedService {
  readonly database: Fragile;
}

export type Stage = ReturnType<typeof createStage>;

/** The processes of quota on one place, and their world. */
export function createStage(place: Place) {
  let ms = Date.UTC(2026, 1, 3, 4, 5, 6, 789);
  let world: World | undefined;
  let stories = 0;
  let entries = 0;
  let isRefused = false;
  let hasEnded = false;
  /** Tenants whose newest assignment no process has heard of. */
  const late = new Set<string>();
  const services: Process[] = [];

  function opened(): World {
    if (world === undefined) throw new Error("the stage is closed");
    return world;
  }

  async function start(): Promise<Process> {
    const database = fragile();
    return { ...(await opened().startService(database.through, lateCopy())), database };
  }

  function lateCopy(): TenancyCopy {
    const { tenancy } = opened();
    return {
      ...tenancy,
      tenant(id) {
        const known = tenancy.tenant(id);
        return known !== undefined && late.has(id) ? withoutLastAssignment(known) : known;
      },
    };
  }

  const applied = (tenantId: string) =>
    waitFor(() => opened().appliedSeq(tenantId), { what: "recorded usage to be applied" });

  async function close(): Promise<void> {
    await recover();
    for (const service of services.splice(0)) await service.stop();
    await world?.close();
    world = undefined;
  }

  async function recover(): Promise<void> {
    isRefused = false;
    await place.recover();
  }

  async function replace(end: (service: StartedService) => Promise<void>): Promise<void> {
    hasEnded = true;
    const [first] = services;
    if (first !== undefined) await end(first);
    await recover();
    services[0] = await start();
  }

  return {
    place,
    world: opened,
    /** The time of tenants without a test clock; only in process, for a store has its own. */
    worldNow: () => ms,
    worldPass(to: number): void {
      ms = Math.max(ms, to);
    },
    async nextStory(): Promise<number> {
      stories += 1;
      if (stories % STORIES_PER_WORLD === 1) {
        await close();
        world = await openWorld({
          maxKeys: MAX_KEYS,
          ...(place.redisUrl === undefined ? { clock: { now: () => ms } } : { redisUrl: place.redisUrl }),
        });
        await world.database.pool.query(NOTE_TOLD);
      }
      await recover();
      for (const extra of services.splice(1)) await extra.stop();
      hasEnded = false;
      if (services.length === 0) services.push(await start());
      return stories;
    },
    service(via: number): StartedService {
      const found = services[via % services.length];
      if (found === undefined) throw new Error("no service");
      return found;
    },
    /** The numbers of those that run. */
    processes: () => services.map((_, index) => index),
    isRefused: () => isRefused,
    /** Whether a process ended in this story: one that shares a store leaves bounds that fall with the tenant's next change. */
    hasEnded: () => hasEnded,
    /** The alerts that were told more than once, before the log repeats any. */
    async toldAgain(tenantId: string): Promise<readonly string[]> {
      const { rows } = await opened().database.pool.query<{ readonly id: string }>(
        "SELECT id FROM told WHERE subject = $1 GROUP BY id HAVING count(*) > 1",
        [tenantId],
      );
      return rows.map(({ id }) => id);
    },
    async refuse(how: number): Promise<void> {
      if (place.redisUrl === undefined) return;
      await place.refuse(how);
      isRefused = true;
    },
    recover,
    restart: () => replace((service) => service.stop()),
    /** A stop, a start whose database breaks after so many statements, and, where that was too few, another start. */
    async interruptStart(statements: number): Promise<void> {
      hasEnded = true;
      await services[0]?.stop();
      const database = fragile();
      database.endAfter(statements);
      const started = await opened()
        .startService(database.through, lateCopy())
        .catch(() => undefined);
      database.endAfter(Number.POSITIVE_INFINITY);
      services[0] = started === undefined ? await start() : { ...started, database };
    },
    /**
     * Does something that is recorded, and ends the process that commits it before it settles it. Another takes its place, and
     * finds more where it is there already.
     */
    async killSettling(record: () => Promise<void>, more: () => Promise<void>): Promise<void> {
      const committed = new Promise<Process>((resolve) => {
        for (const one of services) one.database.endAfterCommit(() => resolve(one));
      });
      await record();
      const ended = await committed;
      for (const one of services) one.database.goOn();
      if (services.length > 1) await more();
      hasEnded = true;
      await ended.kill();
      services.splice(services.indexOf(ended), 1);
      if (services.length === 0) services.push(await start());
    },
    kill: () => replace((service) => service.kill()),
    lose: () => place.lose(),
    /** The first process builds counters late, from what it reads now. */
    holdFacts(): HeldFacts {
      const [first] = services;
      if (first === undefined) throw new Error("no service");
      return first.database.holdFacts();
    },
    /** No process hears of the tenant's newest assignment until the returned function is called. */
    withhold(tenantId: string): () => void {
      late.add(tenantId);
      return () => void late.delete(tenantId);
    },
    async second(): Promise<void> {
      if (place.redisUrl !== undefined && !isRefused && services.length === 1) {
        services.push(await start());
      }
    },
    async secondStops(): Promise<void> {
      if (isRefused) return;
      for (const extra of services.splice(1)) {
        hasEnded = true;
        await extra.stop();
      }
    },
    /** The stored bounds of a tenant that count for something. */
    async rows(tenantId: string): Promise<readonly StoredRow[]> {
      const { rows } = await opened().database.pool.query<{
        readonly epoch: string;
        readonly id: string;
        readonly bound: string;
        readonly expires_at: Date;
      }>("SELECT epoch, id, bound::text AS bound, expires_at FROM granted_bound WHERE tenant_id = $1 AND bound > 0", [
        tenantId,
      ]);
      return rows.map(({ epoch, id, bound, expires_at }) => ({
        ...{ epoch, id, bound: bound.includes(".") ? bound.replace(/\.?0+$/, "") : bound },
        until: expires_at.getTime(),
      }));
    },
    applied,
    /** Everything recorded is settled too: an entry after it, which nothing counts, is applied. */
    async settled(tenantId: string): Promise<void> {
      entries += 1;
      await opened().record(tenantId, [{ id: `nothing-${entries}`, type: "use.nothing" }]);
      await applied(tenantId);
    },
    close,
  };
}

const withoutLastAssignment = (tenant: TenantState): TenantState => ({
  ...tenant,
  assignments: tenant.assignments.slice(0, -1),
});
