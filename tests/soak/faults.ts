import { setTimeout as wait } from "node:timers/promises";
import { MINUTE_MS } from "#kernel/duration.js";
import { injectionOf, within } from "../faults/inject.js";
import { type Cell, cells, nameOf } from "../faults/matrix.js";
import { allReady, type MatrixWorld } from "../faults/world.js";
import { shuffled } from "../support/random.js";

/** A fault of the soak. */
export interface Struck {
  readonly name: string;
  readonly fromMs: number;
  /** When all roles were ready again. */
  readonly toMs: number;
  /** Undefined: it hit. Otherwise what did not happen. */
  readonly missed?: string;
}

export interface FaultsOptions {
  readonly random: () => number;
  /** No fault begins after this. */
  readonly untilMs: number;
  print(line: string): void;
  /** Called when a fault may begin; the function when it is over. */
  begins(): () => void;
}

const LENGTHS = { frozenMs: 15_000, apartMs: 12_000, shiftedMs: 8_000 };
/** Between the copy of an old state and its return. */
const AGING_MS = 5_000;

/** One fault after the other, each in a minute of its own, in random order. */
export async function faultEachMinute(
  world: MatrixWorld,
  { random, untilMs, print, begins }: FaultsOptions,
): Promise<Struck[]> {
  const possible = cells().filter(({ fault }) => fault !== "disk-full" || world.disk !== undefined);
  const struck: Struck[] = [];
  let next: Cell[] = [];
  for (let dueMs = Date.now(); dueMs < untilMs; dueMs = Math.max(dueMs + MINUTE_MS, Date.now())) {
    await wait(Math.max(0, dueMs - Date.now()));
    if (next.length === 0) next = shuffled(possible, random);
    const cell = next.pop();
    if (cell === undefined) break;
    const over = begins();
    const fromMs = Date.now();
    const missed = await strike(world, cell).finally(over);
    const one = { name: nameOf(cell), fromMs, toMs: Date.now(), ...(missed !== undefined && { missed }) };
    struck.push(one);
    print(
      `fault ${struck.length}: ${one.name}, ready again after ${seconds(one)} s${missed ? `, MISSED: ${missed}` : ""}`,
    );
  }
  return struck;
}

const seconds = ({ fromMs, toMs }: Struck): number => Math.round((toMs - fromMs) / 1_000);

/** Answers why it hit nothing, if it did not. */
async function strike(world: MatrixWorld, cell: Cell): Promise<string | undefined> {
  const injection = injectionOf(world, cell, LENGTHS);
  let missed: string | undefined;
  try {
    if (injection.prepare !== undefined) {
      await injection.prepare();
      await wait(AGING_MS);
    }
    await within(
      world.network.once(injection.trigger, () => injection.strike()),
      injection.trigger.what,
    );
    await injection.last();
  } catch (error) {
    missed = error instanceof Error ? error.message : String(error);
    // Nothing may strike later.
    void world.network.once({ ...injection.trigger, matches: () => false }, () => "pass");
  } finally {
    await injection.restore?.();
  }
  await allReady(world);
  return missed;
}
