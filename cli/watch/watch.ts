import { after, sleep } from "#platform/lifecycle/time.js";
import { type Env, parseConfig } from "#platform/process/config.js";
import { readMetricsAddress } from "../connection/address.js";
import { type ConnectionOptions, findConnection } from "../connection/connection.js";
import { NoResponse, UserError } from "../connection/failure.js";
import { surviveLostTerminal } from "../lost-terminal.js";
import { onSignals } from "../signals.js";
import { openAlertsFeed } from "./alerts.js";
import { isInForeground } from "./foreground.js";
import { ANSWER_MS, look, type Watched } from "./look.js";
import { recordOf } from "./record.js";
import { screenOf } from "./screen.js";
import { alerted, begun, failed, looked, type WatchState } from "./state.js";
import { takeTerminal } from "./terminal.js";

export interface WatchOptions extends ConnectionOptions {
  readonly tenant?: string;
  readonly metrics?: string;
  readonly every?: string;
  readonly json?: boolean;
}

const LEAST_SECONDS = 1;
const MOST_SECONDS = 3_600;
const USUAL_WIDTH = 80;

/** `metrly watch`: a live screen at a terminal; otherwise, and in the background, one snapshot, or with `json` an object per look, until interrupted. */
export async function watchMetrly(options: WatchOptions, env: Env): Promise<void> {
  const everyMs = secondsOf(options.every) * 1000;
  const find = () => watchedOf(options, env);
  const state = begun((await find()).connection.url);
  if (options.json) return printRecords(state, find, everyMs);
  if (!process.stdout.isTTY || !isInForeground()) return printSnapshot(state, find, everyMs);
  return showLive(state, find, everyMs);
}

function secondsOf(text = "2"): number {
  const seconds = Number(text);
  if (seconds >= LEAST_SECONDS && seconds <= MOST_SECONDS) return seconds;
  throw new UserError(`--every takes seconds from ${LEAST_SECONDS} to ${MOST_SECONDS}, not "${text}".`);
}

/** Found anew for each look: a Metrly that starts again may have another address and token. */
async function watchedOf(options: WatchOptions, env: Env): Promise<Watched> {
  const connection = { ...(await findConnection(options, env)), timeoutMs: ANSWER_MS };
  return { connection, metricsUrls: await metricsOf(options, connection.url, env), tenantId: options.tenant };
}

/** Given addresses; else that of the local Metrly; else the usual port beside the address. */
async function metricsOf({ metrics, url }: WatchOptions, address: string, env: Env): Promise<string[]> {
  if (metrics !== undefined) {
    const bad = metrics.split(",").find((one) => !URL.canParse(one));
    if (bad !== undefined) throw new UserError(`--metrics takes URLs, not "${bad}".`);
    return metrics.split(",").map((one) => new URL("/metrics", one).href);
  }
  const config = parseConfig(env);
  const isLocal = url === undefined && env.METRLY_URL === undefined;
  const local = isLocal && !env.METRLY_METRICS_PORT ? await readMetricsAddress(config.dataDir) : undefined;
  const usual = new URL(address);
  usual.port = String(config.metricsPort);
  return [new URL("/metrics", local ?? usual).href];
}

/** Throws `UserError` if the first look is refused; later failures are shown, and tried again. */
async function lookedAfter(state: WatchState, find: () => Promise<Watched>): Promise<WatchState> {
  try {
    return looked(state, await look(await find()));
  } catch (error) {
    const isOutage = error instanceof NoResponse || (error instanceof UserError && state.latest !== undefined);
    if (!isOutage) throw error;
    return failed(state, `${error.message.replace(/ Is Metrly running.*$/, "")} Trying again …`);
  }
}

async function printRecords(begin: WatchState, find: () => Promise<Watched>, everyMs: number): Promise<void> {
  // Its reader has gone.
  process.stdout.once("error", () => process.exit());
  for (let state = begin; ; await sleep(everyMs)) {
    state = await lookedAfter(state, find);
    process.stdout.write(`${JSON.stringify(recordOf(state))}\n`);
  }
}

/** Two looks, for the rates. */
async function printSnapshot(begin: WatchState, find: () => Promise<Watched>, everyMs: number): Promise<void> {
  const first = looked(begin, await look(await find()));
  await sleep(everyMs);
  const state = looked(first, await look(await find()));
  const size = { width: USUAL_WIDTH, height: Number.POSITIVE_INFINITY };
  process.stdout.write(`${screenOf(state, size).join("\n")}\n`);
}

async function showLive(begin: WatchState, find: () => Promise<Watched>, everyMs: number): Promise<void> {
  surviveLostTerminal();
  let state = begin;
  let { connection } = await find();
  const ended = new AbortController();
  const end = () => ended.abort();
  const draw = () => terminal.draw(screenOf(state, terminal.size));
  const terminal = takeTerminal({ input: process.stdin, output: process.stdout, onEnd: end, onResize: draw });
  onSignals(["SIGINT", "SIGTERM", "SIGHUP"], end, { once: true });
  const feed = openAlertsFeed({
    connection: () => connection,
    onAlert(alert) {
      state = alerted(state, alert);
      draw();
    },
    onLost: () => undefined,
  });
  const followed = new Set<string>();
  /** Also tenants that were created meanwhile. */
  function followNew(): void {
    for (const { id } of state.latest?.tenants ?? []) {
      if (followed.has(id)) continue;
      followed.add(id);
      // Refused for now, as the next look will say: tried again after it.
      feed.follow(id).catch(() => followed.delete(id));
    }
  }
  const over = new Promise<void>((resolve) => ended.signal.addEventListener("abort", () => resolve()));
  async function turns(): Promise<void> {
    for (; !ended.signal.aborted; await sleep(everyMs, ended.signal)) {
      const next = await lookedAfter(state, find);
      // Alerts may have come while it looked.
      state = { ...next, alerts: state.alerts };
      ({ connection } = await find().catch(() => ({ connection })));
      followNew();
      draw();
    }
  }
  try {
    draw();
    await Promise.race([over, turns()]);
  } finally {
    terminal.leave();
    feed.stop();
    // What is asked just now is not waited for.
    after(EXIT_MS, () => process.exit(), { unref: true });
  }
}

const EXIT_MS = 100;
