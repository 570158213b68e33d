import pg from "pg";
import { currentCaller } from "#platform/lifecycle/caller.js";
import { createFairTurns } from "#platform/lifecycle/fair-turns.js";
import { within } from "#platform/lifecycle/time.js";

/** Connections that one caller leaves to others, whatever it asks for. */
const LEFT_TO_OTHERS = 2;
/** For a connection of a pool that sets no time. */
const MAX_WAIT_MS = 60_000;

/**
 * A pool of which one caller (`lifecycle/caller.ts`) holds all connections but two; callers that wait take turns. Work of the process
 * itself takes what is free.
 */
export function createFairPool(config: pg.PoolConfig, max: number): pg.Pool {
  return new FairPool({ ...config, max });
}

type Connected = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  release: pg.PoolClient["release"],
) => void;

class FairPool extends pg.Pool {
  readonly #holders = new WeakMap<object, string>();
  readonly #turns;
  readonly #waitMs: number;

  constructor(config: pg.PoolConfig & { readonly max: number }) {
    super(config);
    this.#waitMs = config.connectionTimeoutMillis || MAX_WAIT_MS;
    this.#turns = createFairTurns({
      ...{ atOnce: config.max, perCaller: Math.max(1, config.max - LEFT_TO_OTHERS) },
      // Bounded by the operations at a time.
      ...{ waitingPerCaller: Number.POSITIVE_INFINITY, waiting: Number.POSITIVE_INFINITY },
    });
    this.on("release", (_, client) => {
      const caller = this.#holders.get(client);
      this.#holders.delete(client);
      if (caller !== undefined) this.#turns.end(caller);
    });
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Connected): void;
  override connect(callback?: Connected): Promise<pg.PoolClient> | undefined {
    const caller = currentCaller();
    if (caller === undefined && callback !== undefined) {
      super.connect(callback);
      return undefined;
    }
    const connected = caller === undefined ? super.connect() : this.#connectInTurn(caller);
    if (callback === undefined) return connected;
    connected.then(
      (client) => callback(undefined, client, client.release),
      (error: Error) => callback(error, undefined, () => undefined),
    );
    return undefined;
  }

  /** Waits no longer than a pool waits for a connection. */
  async #turn(caller: string): Promise<void> {
    const turn = this.#turns.take(caller)?.then(() => true) ?? Promise.resolve(false);
    if ((await within(this.#waitMs, turn)) === true) return;
    void turn.then(() => this.#turns.end(caller));
    throw new Error("no turn at a connection in time");
  }

  async #connectInTurn(caller: string): Promise<pg.PoolClient> {
    await this.#turn(caller);
    try {
      const client = await super.connect();
      this.#holders.set(client, caller);
      return client;
    } catch (error) {
      this.#turns.end(caller);
      throw error;
    }
  }
}
