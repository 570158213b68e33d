import type { History, Told } from "../../../oracle/history.js";
import { waitFor } from "../../../servers/servers.js";
import * as operations from "./operations.js";
import type { Dice } from "./terms.js";
import type { ToldClient } from "./told.js";

/** What the clients of a life know. */
export interface World {
  readonly d: Dice;
  readonly name: string;
  readonly client: ToldClient;
  readonly history: History;
  clockMs: number;
  readonly sent: object[];
  readonly keys: string[];
  readonly amounts: Map<string, string>;
  /** What each key is asked for: the model. */
  readonly models: Map<string, string>;
  /** Grants of credits that were asked for. */
  readonly grants: object[];
  ids: number;
}

/** How often clients ask again what they wait for. */
export const POLL_MS = 100;

/** Moves the tenant's clock; mostly, clients wait until all services have followed. */
export async function advance(world: World, byMs: number): Promise<void> {
  const { name: tenantId, client } = world;
  world.clockMs += byMs;
  const input = { tenantId, to: new Date(world.clockMs).toISOString() };
  await untilKnown(() => client.ask("advanceTestClock", operations.ADVANCE, input));
  if (world.d.chance(0.7)) await followed(world);
}

/** Repeats a request while nobody knows whether it happened: on a busy machine, a service may be away for a moment. */
export async function untilKnown(ask: () => Promise<Told<unknown>>): Promise<void> {
  await waitFor(async () => (await ask()).outcome !== "unknown", { what: "an answer", pauseMs: POLL_MS });
}

/** Waits until all services have followed the clock. */
export async function followed({ name: tenantId, client }: World): Promise<void> {
  const isReady = async () =>
    (await client.look("tenant", operations.CLOCK, { tenantId }, ({ tenant }: never) => tenant as Clock)).answer
      ?.testClockStatus === "READY";
  await waitFor(isReady, { what: "all services to follow the clock", pauseMs: POLL_MS });
}
interface Clock {
  readonly testClockStatus: string;
}
