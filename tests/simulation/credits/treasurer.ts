import { createInstance } from "../engine/instance.js";
import type { Scheduler } from "../engine/scheduler.js";
import { createRequests, type Progress, progressOf, type Reachable } from "../ports/requests.js";
import { type CreditHistory, type GrantRequest, grantKeyOf } from "../terms/credits.js";

export interface TreasurersOptions {
  readonly scheduler: Scheduler;
  readonly processes: () => readonly Reachable[];
  readonly tenants: readonly string[];
  readonly history: CreditHistory;
}

/** Of each tenant. */
const GRANTS = 6;
const MOST_CENTS = 120;
/** Some cover more than usage costs. */
const LARGE_CENTS = 400;
const DAY_MS = 86_400_000;
const PAUSE_MS = 600;
/** How often a treasurer takes a grant back, or asks for one again that was asked for before. */
const VOIDS = 0.2;
const REPEATS = 0.15;
/** A repetition asks for something else. */
const OTHERS = 0.5;
/** Nothing comes of asking again. */
const FINAL = new Set(["CONFLICT", "INVALID", "NOT_FOUND"]);

/** One for each tenant: grants credits while its clients send usage, repeats what is not answered, and takes some back. */
export function startTreasurers(options: TreasurersOptions): Progress {
  return progressOf(options.tenants.map((tenantId) => startTreasurer(options, tenantId)));
}

function startTreasurer({ scheduler, processes, history }: TreasurersOptions, tenantId: string): Progress {
  const client = createInstance(scheduler, `treasurer-${tenantId}`);
  const random = scheduler.randomFor(`treasurer ${tenantId}`);
  const pick = (below: number): number => Math.floor(random() * below);
  const { later, request, isIdle } = createRequests({ scheduler, client, random, processes, pauseMs: PAUSE_MS });
  const made: GrantRequest[] = [];
  let begun = 0;
  let isDone = false;

  /** Never; soon, while usage comes; in days, when late usage comes or none. */
  function expiry(): number | null {
    const what = random();
    if (what < 0.35) return null;
    return scheduler.nowMs() + (what < 0.75 ? 500 + pick(10_000) : pick(40) * DAY_MS + DAY_MS);
  }

  function fresh(): GrantRequest {
    const terms = {
      cents: 1 + pick(random() < 0.6 ? LARGE_CENTS : MOST_CENTS),
      priority: pick(3) - 1,
      expiresAt: expiry(),
    };
    const grant = { tenantId, id: `g${made.length + 1}`, ...terms };
    made.push(grant);
    return grant;
  }

  function grant(asked: GrantRequest): void {
    const key = grantKeyOf(asked);
    history.asked.set(key, [...(history.asked.get(key) ?? []), asked]);
    request(
      ({ grant: granting }) => granting && (() => granting(asked)),
      () => {
        history.granted.push(asked);
        later("goes on", next);
      },
      (error) => {
        const code = codeOf(error);
        if (code === "CONFLICT") history.refused.push(asked);
        if (FINAL.has(code)) later("goes on", next);
        else later("grants again", () => grant(asked));
      },
    );
  }

  function voidGrant(of: GrantRequest): void {
    const key = grantKeyOf(of);
    history.voids.set(key, history.voids.get(key) ?? false);
    request(
      ({ voidGrant: voiding }) => voiding && (() => voiding(tenantId, of.id)),
      () => {
        history.voids.set(key, true);
        later("goes on", next);
      },
      (error) => {
        if (FINAL.has(codeOf(error))) later("goes on", next);
        else later("voids again", () => voidGrant(of));
      },
    );
  }

  function next(): void {
    begun += 1;
    const known = made[pick(made.length)];
    const what = random();
    if (made.length >= GRANTS) isDone = true;
    else if (known !== undefined && what < VOIDS) voidGrant(known);
    else if (known !== undefined && what < VOIDS + REPEATS)
      grant(random() < OTHERS ? known : { ...known, cents: known.cents + 1 });
    else grant(fresh());
  }

  later("begins", next);
  return { begun: () => begun, isDone: () => isDone && isIdle() };
}

const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
