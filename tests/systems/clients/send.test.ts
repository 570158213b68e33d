import { type ChildProcess, spawn } from "node:child_process";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { waitFor } from "../../servers/servers.js";
import { ask } from "../../support/client.js";
import { sized } from "../../support/effort.js";
import { type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import { nodeFlags } from "../../support/node-flags.js";
import { setUp } from "../whole-path/proof.js";
import { type Accounting, accountingOf, ISSUE_KEY, sumOf } from "../whole-path/world.js";
import { type HeldAnswers, holdAnswers } from "./held-answers.js";

const CLI = path.join(packageRoot(), "dist/cli/metrly.js");
/** As `metrly send` cuts them. */
const BATCH = 500;
const ROWS = sized(12, 60) * BATCH;
/** A checkpoint is saved with an answer that comes this long after the last one, or later. */
const CHECKPOINT_MS = 200;

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

describe("metrly send", () => {
  const tenants = ["killed", "restarted", "interrupted", "piped", "refused", "changed", "imported"];
  let metrly: MetrlyProcess;
  let answers: HeldAnswers;
  let admin: string;
  let key: string;
  let dir: string;

  beforeAll(async () => {
    metrly = await startMetrly("embedded");
    admin = await metrly.adminToken();
    key = await setUp({ url: metrly.url, admin }, { events: 0, tenants, seed: 0 });
    dir = await mkdtemp(path.join(tmpdir(), "metrly-send-"));
    answers = await holdAnswers(metrly.url);
    answers.open();
  });

  afterAll(async () => {
    await answers?.stop();
    await metrly?.dispose();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  });

  function launch(
    command: string,
    args: readonly string[],
    stdin: "ignore" | "pipe" = "ignore",
  ): { child: ChildProcess; ended: Promise<Ended> } {
    const env = { PATH: process.env.PATH, METRLY_URL: answers.url, METRLY_TOKEN: key, METRLY_DATA_DIR: dir };
    const child = spawn(command, args, { cwd: dir, env, stdio: [stdin, "pipe", "pipe"] });
    let [out, err] = ["", ""];
    child.stdout?.on("data", (chunk: Buffer) => {
      out += chunk.toString("utf8");
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      err += chunk.toString("utf8");
    });
    const ended = new Promise<Ended>((resolve) => child.once("close", (code) => resolve({ code, out, err })));
    return { child, ended };
  }

  const send = (...args: readonly string[]) => launch(process.execPath, [...nodeFlags, CLI, "send", ...args]);

  /** A file of rows without ids, each worth two tokens; `other(n)` replaces some. */
  async function fileOf(tenant: string, rows: number, other: (n: number) => string | undefined = () => undefined) {
    const file = path.join(dir, `${tenant}.ndjson`);
    const row = (n: number) => other(n) ?? JSON.stringify({ type: "llm.completion", subject: tenant, tokens: "2" });
    await writeFile(file, Array.from({ length: rows }, (_, n) => `${row(n)}\n`).join(""));
    return file;
  }

  /** Sends until some rows are answered and checkpointed; whatever else is sent waits for its answer, until `answers.open`. */
  async function sendPart(file: string, concurrency: number) {
    answers.close();
    const sending = send(file, "--concurrency", String(concurrency));
    const isCheckpointed = async () => {
      answers.passOne();
      return JSON.parse(await readFile(`${file}.metrly-send`, "utf8")).rows > 0;
    };
    await waitFor(isCheckpointed, { what: "some rows to be answered", pauseMs: CHECKPOINT_MS });
    return sending;
  }

  async function atRest(tenantId: string, counted: number): Promise<Accounting> {
    return waitFor(
      async () => {
        const now = await accountingOf(metrly.url, admin, tenantId);
        expect(sumOf(now)).toBe(now.accepted);
        return now.inFlight === 0 && now.counted >= counted ? now : undefined;
      },
      { what: `${counted} of ${tenantId} counted` },
    );
  }

  const isThere = (file: string) =>
    access(file).then(
      () => true,
      () => false,
    );

  test("killed, it resumes from its checkpoint, and every row counts once", async () => {
    const file = await fileOf("killed", ROWS);
    const first = await sendPart(file, 2);
    first.child.kill("SIGKILL");
    await first.ended;
    answers.open();
    const second = await send(file, "--concurrency", "2").ended;
    expect(second).toMatchObject({ code: 0, err: expect.stringContaining("Resuming after") });
    expect(second.out).toContain(`${ROWS} rows: `);
    expect(await atRest("killed", ROWS)).toMatchObject({ counted: ROWS, quarantined: 0 });
    expect(await isThere(`${file}.metrly-send`)).toBe(false);
  });

  test("when Metrly dies, it retries, and every row counts once", async () => {
    const file = await fileOf("restarted", ROWS);
    const { ended } = await sendPart(file, 4);
    await metrly.kill();
    answers.open();
    await metrly.restart();
    expect(await ended).toMatchObject({ code: 0 });
    expect(await atRest("restarted", ROWS)).toMatchObject({ counted: ROWS, quarantined: 0 });
  });

  test("interrupted, it says so, and the same command resumes", async () => {
    const file = await fileOf("interrupted", ROWS);
    const before = answers.passed();
    const first = await sendPart(file, 1);
    first.child.kill("SIGINT");
    answers.open();
    expect(await first.ended).toMatchObject({ code: 130, err: expect.stringContaining("Interrupted") });
    // The batch in flight was answered and checkpointed too: no answered row is sent again.
    const answered = (answers.passed() - before) * BATCH;
    expect(answered).toBeLessThan(ROWS);
    expect(await send(file, "--concurrency", "1").ended).toMatchObject({
      code: 0,
      err: expect.stringContaining(`Resuming after ${answered} rows`),
    });
    expect(await atRest("interrupted", ROWS)).toMatchObject({ counted: ROWS, quarantined: 0 });
  });

  test("an import sends again what was sent without it, and needs the scope ADMIN", async () => {
    const file = await fileOf("imported", ROWS);
    const first = await sendPart(file, 1);
    first.child.kill("SIGINT");
    answers.open();
    await first.ended;
    expect(await send(file, "--import").ended).toMatchObject({
      code: 1,
      err: expect.stringMatching(/scope ADMIN[\s\S]*--scopes admin/),
    });
    const input = { platform: true, name: "import", scopes: ["ADMIN"] };
    const { issueApiKey } = await ask(metrly.url, admin, ISSUE_KEY, { input });
    const second = await waitFor(
      async () => {
        const ended = await send(file, "--import", "--token", issueApiKey.secret).ended;
        return ended.err.includes("API key") ? undefined : ended;
      },
      { what: "the key at the edge" },
    );
    expect(second).toMatchObject({ code: 0, err: expect.not.stringContaining("Resuming") });
    expect(await atRest("imported", ROWS)).toMatchObject({ counted: ROWS, quarantined: 0 });
  });

  test("interrupted while it waits for a pipe, it ends with the answered rows", async () => {
    const { child, ended } = launch(process.execPath, [...nodeFlags, CLI, "send", "--json"], "pipe");
    const row = JSON.stringify({ type: "llm.completion", subject: "piped", tokens: "2" });
    child.stdin?.write(`${row}\n`.repeat(500));
    await atRest("piped", 500);
    child.stdin?.write(row.slice(0, -5));
    child.kill("SIGINT");
    const { code, out } = await ended;
    expect(code).toBe(130);
    expect(JSON.parse(out)).toMatchObject({ accepted: 500, rejected: 0 });
    expect(await atRest("piped", 500)).toMatchObject({ counted: 500 });
  });

  test("reports rejected rows by line, sends the rest, and exits with 1", async () => {
    const file = await fileOf("refused", 1_200, (n) => {
      if (n === 2) return "not json";
      if (n === 600) return JSON.stringify({ type: "llm.completion", subject: "refused", tokens: "many" });
      return n === 700 ? JSON.stringify({ type: "llm.completion", subject: "nobody", tokens: "1" }) : undefined;
    });
    const { code, out } = await send(file).ended;
    expect(code).toBe(1);
    expect(out).toContain("1200 rows: 1197 accepted, 0 duplicates, 3 rejected");
    expect(out).toContain("line 3: is not a JSON object");
    expect(out).toContain("line 601: INVALID: ");
    expect(out).toContain("line 701: NOT_FOUND: ");
    expect(await send(file).ended, "again").toMatchObject({ code: 1 });
    expect(await atRest("refused", 1_197)).toMatchObject({ counted: 1_197 });
  });

  test("a file with a changed beginning is sent again in full", async () => {
    const file = await fileOf("changed", ROWS);
    const first = await sendPart(file, 1);
    first.child.kill("SIGKILL");
    await first.ended;
    answers.open();
    await fileOf("changed", ROWS, (n) =>
      n === 0 ? JSON.stringify({ type: "llm.completion", subject: "changed", tokens: "3" }) : undefined,
    );
    expect(await send(file).ended).toMatchObject({ code: 0, err: expect.stringContaining("The input changed") });
    // The new first row is a separate event; the old one was counted before.
    expect(await atRest("changed", ROWS + 1)).toMatchObject({ counted: ROWS + 1 });
  });

  test("a dry run needs no Metrly and no key", async () => {
    const file = path.join(dir, "dry.csv");
    await writeFile(file, "type,x\na,1\n,2\nmetrly.own,3\n");
    const { code, out } = await send(file, "--dry-run", "--url", "http://127.0.0.1:9").ended;
    expect(code).toBe(1);
    expect(out).toContain("3 rows: 1 valid, 2 rejected");
    expect(out).toContain("line 3: type: must be a non-empty string");
  });

  test("ends with a sentence when a key lacks the scope, a column is missing, or there is no response, which it said first", async () => {
    const file = path.join(dir, "one.csv");
    await writeFile(file, "type,x\napi.call,1\n");
    // A machine that stops for seconds lets it show how far it is.
    const sentencesOf = async (...args: readonly string[]): Promise<Ended> => {
      const ended = await send(file, ...args).ended;
      return { ...ended, err: ended.err.replace(/^\[[^\n]*ETA[^\n]*\n/gm, "") };
    };
    expect(await sentencesOf("--token", "mtr_live_nobody")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^UNAUTHENTICATED: [^\n]*\n$/),
    });
    expect(await sentencesOf("--map", "time=when")).toMatchObject({
      code: 1,
      err: "There is no column when; the header has type, x.\n",
    });
    // A machine that stops for as long lets no second attempt begin.
    let unanswered: Ended | undefined;
    for (const seconds of [1, 5, 20]) {
      unanswered = await sentencesOf("--url", "http://127.0.0.1:9", "--give-up-after", String(seconds));
      if (unanswered.err.startsWith("Trying again")) break;
    }
    expect(unanswered).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        /^Trying again for up to (\d+) s: no response from [^\n]*\nGave up after \1 s: no response from [^\n]*\n$/,
      ),
    });
  });
});
