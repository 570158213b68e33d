import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { isMetrlyOf } from "../../../cli/connection/address.js";
import { CHALLENGE_HEADER, PROOF_HEADER } from "../../../cli/connection/proof.js";
import { waitFor } from "../../servers/servers.js";
import { runCli } from "../../support/cli.js";
import { runCliHere } from "../../support/cli-in-process.js";
import { ask, postEvents } from "../../support/client.js";
import { type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import { atTerminal, COMMAND, hasTerminal, shellAtTerminal, withoutNumbers } from "../../support/terminal.js";
import * as world from "../whole-path/world.js";

interface Spender {
  readonly tenant: {
    readonly upcomingInvoice: {
      readonly lines: readonly {
        readonly kind: string;
        readonly quantity: string;
        readonly amount: { readonly amount: string };
      }[];
    };
    readonly alerts: { readonly nodes: readonly unknown[] };
  };
}

describe("what the command line shows", () => {
  let metrly: MetrlyProcess;
  let admin: string;
  const month = world.lastMonth(Date.now());

  beforeAll(async () => {
    metrly = await startMetrly("embedded");
    admin = await metrly.adminToken();
    const { url } = metrly;
    const meter = {
      key: "calls",
      name: "Calls",
      eventType: "api.call",
      aggregation: "COUNT",
      dimensions: ["region"],
    };
    await ask(url, admin, world.CREATE_METER, { input: meter });
    const prices = [{ meter: "calls", model: "PER_UNIT", unitAmount: "0.25" }];
    const limits = [{ meter: "calls", window: "BILLING_PERIOD", kind: "HARD", limit: "10" }];
    const version = { currency: "EUR", recurringFee: "10", prices, limits };
    await ask(url, admin, world.CREATE_PLAN, { input: { id: "basic", name: "Basic", version } });
    const startsAt = new Date(month.acceptedFromMs).toISOString();
    await ask(url, admin, world.CREATE_TENANT, {
      input: { id: "acme", name: "Acme Inc.", planId: "basic", startsAt },
    });
    const { issueApiKey } = await ask(url, admin, world.ISSUE_KEY, {
      input: { tenantId: "acme", name: "backend", scopes: ["INGEST", "READ"] },
    });
    const events = ["eu", "eu", "us"].map((region, n) => ({
      ...{ specversion: "1.0", id: `e${n}`, type: "api.call", source: "test", data: { region } },
    }));
    // The edge learns about a key from the log.
    const isTaken = async () => (await postEvents(metrly.url, issueApiKey.secret, events)).status === 202;
    await waitFor(isTaken, { what: "the events" });
    const periodStart = new Date(month.startMs).toISOString();
    await ask(metrly.url, admin, world.CLOSE_PERIOD, { tenantId: "acme", periodStart });
    const isAllThere = async () => {
      const variables = { tenantId: "acme" };
      const { tenant: one } = await ask(metrly.url, admin, world.QUOTAS, variables);
      const { tenant: other } = await ask(metrly.url, admin, world.USAGE, variables);
      const { tenant } = await ask(metrly.url, admin, world.INVOICES, variables);
      return (
        one.quotas[0]?.used === "3" && other.usageTotals[0]?.quantity === "3" && tenant.invoices.nodes.length === 1
      );
    };
    await waitFor(isAllThere, { what: "usage, quota and invoice" });
  });
  afterAll(() => metrly?.dispose());

  async function shown(...args: string[]): Promise<string> {
    const { code, out, err } = await runCliHere(metrly, args);
    expect([code, err], `${args.join(" ")}: ${err}`).toEqual([0, ""]);
    return out;
  }

  test("a process of its own prints the same, and ends with the same code", async () => {
    for (const args of [
      ["tenants", "list"],
      ["usage", "nobody"],
      ["tenant", "list"],
      ["--version"],
      ["webhooks", "list"],
    ])
      expect(await runCli(metrly, args), args.join(" ")).toEqual(await runCliHere(metrly, args));
  });

  test("tenants, usage, quotas and invoices, as text with tabs", async () => {
    expect(await shown("tenants", "list")).toBe("TENANT\tNAME\tSTATUS\tPLAN\nacme\tAcme Inc.\tACTIVE\tbasic@1\n");
    const [header, ...rows] = (await shown("usage", "acme", "--by", "region")).trim().split("\n");
    expect(header).toBe("METER\tREGION\tQUANTITY\tEVENTS\tLAST EVENT");
    expect(rows.map((row) => row.split("\t").slice(0, 4).join(" ")).sort()).toEqual(["calls eu 2 2", "calls us 1 1"]);
    const second = async (...args: string[]) => (await shown(...args)).split("\n")[1] ?? "";
    expect((await second("quotas", "acme")).split("\t").slice(0, 7)).toEqual([
      "calls",
      "BILLING_PERIOD",
      "HARD",
      "3",
      "0",
      "10",
      "OK",
    ]);
    expect(await second("invoices", "list", "acme")).toMatch(
      /^inv_acme_000001\tACME-000001\t\d{4}-\d\d-01\t\d{4}-\d\d-01\tCLOSED\t10.00\tEUR$/,
    );
  });

  test("meters and plans, whose keys the other commands take", async () => {
    expect(await shown("meters", "list")).toBe(
      "METER\tNAME\tCOUNTS\tAS\tDIMENSIONS\ncalls\tCalls\tapi.call\tCOUNT\tregion\n",
    );
    expect(await shown("plans")).toBe("PLAN\tNAME\tSTATUS\tVERSION\tFEE\tCURRENCY\nbasic\tBasic\tACTIVE\t1\t10\tEUR\n");
    expect(JSON.parse(await shown("plans", "list", "--json"))).toMatchObject({ id: "basic", latest: { version: 1 } });
  });

  test.each([
    [["usage", "acme", "--meter", "cals"], "NOT_FOUND: There is no meter cals: there is calls\n"],
    [
      ["usage", "acme", "--by", "regoin"],
      "INVALID: --by: no requested meter has the dimension regoin: there is region\n",
    ],
    [["usage", "acme", "--from", "2026-02-02", "--to", "2026-02-01"], "--to is not after --from"],
    [
      ["invoices", "show", "ACME-000099"],
      "NOT_FOUND: There is no invoice ACME-000099, which looks like an invoice's number.",
    ],
    [["invoices", "list", "acme", "--csv", "--json"], "'--csv' cannot be used with option '--json'"],
    [["events", "acme"], "Commands of events: show, export."],
    [["tenants", "create", "new", "--plan", "basics"], "plans list"],
    [["usage"], "The tenants: node dist/cli/metrly.js tenants list\n"],
    [["quota"], "The tenants: node dist/cli/metrly.js tenants list\n"],
    [["quotas", "why", "k"], "The tenants: node dist/cli/metrly.js tenants list\n"],
    [["invoices", "show"], "The invoices of a tenant: node dist/cli/metrly.js invoices list acme\n"],
    [["completion"], "The shells: bash, zsh, fish\n"],
    [
      ["webhooks", "list"],
      "'--tenant <id>' or '--platform' not specified\nExample: node dist/cli/metrly.js webhooks list ",
    ],
    [["webhooks", "replay"], "webhooks dead --tenant acme\n"],
    [["webhooks", "create", "https://example.com"], "webhooks create https://example.com/hook --tenant acme\n"],
    [["tenants", "create"], "plans list\n"],
    [["tenants", "show", "a", "b"], "All its options: node dist/cli/metrly.js tenants show --help\n"],
    [["events", "show", "e1", "--tenant", "nobody", "--source", "s"], "NOT_FOUND: There is no tenant nobody."],
    [["webhooks", "listen", "--tenant", "nobody"], "NOT_FOUND: There is no tenant nobody."],
    [["alerts", "watch", "--tenant", "nobody"], "NOT_FOUND: There is no tenant nobody."],
    [["alerts", "watch", "--tenant", "acme", "--after", "x"], "--after: not a cursor of this list"],
    [["rebuild", "--tenant", "nobody"], "NOT_FOUND: There is no tenant nobody."],
    [["quotas", "reconcile", "--tenant", "nobody"], "NOT_FOUND: There is no tenant nobody."],
    [["events", "export", "nobody"], "The tenants: node dist/cli/metrly.js tenants list"],
    [["rebuild", "--url", "http://127.0.0.1:1"], "Is Metrly running? Start it with node dist/cli/metrly.js serve"],
    [["graph", " "], "There is no operation. Example: node dist/cli/metrly.js graph '{ viewer"],
    [["key", "list"], "Keys of tenants: node dist/cli/metrly.js api-keys"],
    [["graph", "--file", "none.graphql"], "There is no readable file none.graphql."],
    [["graph", "{ nothing }"], "GRAPHQL_VALIDATION_FAILED: Cannot query field"],
    [["graph", "{ nothing }"], "\nEvery type and field: the explorer, http://127.0.0.1:"],
    [["start"], "unknown command 'start'\nTo start Metrly: node dist/cli/metrly.js serve\n"],
    [["send", "no-such-file"], "There is no readable file no-such-file."],
  ])("a slip in %j is answered with what there is", async (args, advice) => {
    const { code, err } = await runCliHere(metrly, args);
    expect([code, err]).toEqual([1, expect.stringContaining(advice)]);
    if (advice.includes("nobody")) expect(err).not.toContain("Watching");
  });

  test("a wrong key for send is answered with how to get one", async () => {
    const { err } = await runCliHere(metrly, ["send", "package.json"], { METRLY_TOKEN: "wrong" });
    expect(err).toContain("api-keys issue --tenant ID --scopes ingest");
    expect(err).not.toContain("admin-token");
  });

  test("an admin token of another data directory is answered with whose it was, a given one is not", async () => {
    const dataDir = await mkdtemp(path.join(tmpdir(), "metrly-other-"));
    await writeFile(path.join(dataDir, "admin-token"), "of-another-metrly\n");
    const refused = async (...args: string[]) =>
      (await runCliHere({ url: metrly.url, dataDir }, [...args, "--url", metrly.url])).err;
    expect(await refused("tenants", "list")).toContain(`This used the admin token of ${dataDir}.`);
    // The second one uses the installation's internal secret.
    for (const args of [
      ["tenants", "list", "--token=wrong"],
      ["quotas", "reconcile"],
    ]) {
      const err = await refused(...args);
      expect(err).toContain("UNAUTHENTICATED");
      expect(err).not.toContain("admin token");
    }
    await rm(dataDir, { recursive: true });
  });

  describe.skipIf(!hasTerminal)("at a terminal", () => {
    const sizes = [
      { columns: 80, rows: 24 },
      { columns: 140, rows: 40 },
    ];
    const screens: readonly (readonly [string, readonly string[]])[] = [
      ["help", ["--help"]],
      ["tenants", ["tenants", "list"]],
      ["usage", ["usage", "acme"]],
      ["quotas", ["quotas", "acme"]],
      ["invoices", ["invoices", "list", "acme"]],
    ];

    test.each(sizes)("every screen fits $columns columns, and is the one that is kept", async (size) => {
      for (const [name, args] of screens) {
        const session = atTerminal(metrly, args, size);
        await session.ended();
        const screen = name === "help" ? session.screen() : withoutNumbers(session.screen());
        await expect(`${screen}\n`).toMatchFileSnapshot(`screens/${name}-${size.columns}.txt`);
      }
    });

    test("metrly doctor asks the Metrly of the data directory", async () => {
      const isTold = async () => {
        const session = atTerminal(metrly, ["doctor"], { columns: 80, rows: 24 });
        await session.ended();
        return session.screen().includes(`${metrly.url} is ready`);
      };
      await waitFor(isTold, { what: "the doctor to find it ready" });
    });

    test.each(sizes)(
      "metrly watch draws one screen of $columns columns, and leaves the terminal as it was",
      async (size) => {
        const session = atTerminal(metrly, ["watch", "--every", "1"], size, "echo ended with $?; stty -a");
        const screen = await session.shows(/^ready$.*^acme +\d/ms);
        await expect(`${withoutNumbers(screen)}\n`).toMatchFileSnapshot(`screens/watch-${size.columns}.txt`);
        session.type("typed");
        session.type("\u0003");
        await session.ended();
        const after = session.screen();
        expect(after).toMatch(/^ended with 0$/m);
        expect(after).toMatch(/ icanon\b.* echo\b/s);
        expect(after).not.toContain("EVENTS");
        // The cursor is shown last; the screen was never cleared, which would flicker.
        expect(session.written().lastIndexOf("\u001b[?25h")).toBeGreaterThan(
          session.written().lastIndexOf("\u001b[?25l"),
        );
        expect(session.written()).not.toContain("\u001b[2J");
      },
    );
  });

  describe.skipIf(!hasTerminal)("metrly watch as a job of a shell", () => {
    const size = { columns: 80, rows: 24 };

    test("prints a snapshot in the background, and leaves the terminal alone", async () => {
      const lines = `set -m; ${COMMAND} watch --every 1 & wait; echo ended with $?`;
      const isReady = async () => {
        const session = shellAtTerminal(metrly, lines, size);
        onTestFinished(session.stop);
        const screen = await session.shows(/^ended with \d+$/m);
        expect(screen).toMatch(/^ended with 0$/m);
        expect(session.written()).not.toContain("\u001b[?1049h");
        return /^ready$/m.test(screen);
      };
      await waitFor(isReady, { what: "a snapshot of a Metrly that is ready" });
    });

    // npx stands between the shell and the command, too.
    test("stops with its whole job on Ctrl-Z, and comes back with fg", async () => {
      const lines = `set -m; sh -c '${COMMAND} watch --every 1; true'; echo stopped; fg; echo ended with $?`;
      const session = shellAtTerminal(metrly, lines, size);
      onTestFinished(session.stop);
      await session.shows(/acme +\d/);
      session.type("\u001a");
      const isBack = () => session.written().split("stopped")[1]?.includes("\u001b[?1049h");
      await waitFor(isBack, { what: "the screen to come back" });
      session.type("q");
      await session.shows(/^ended with 0$/m);
    });
  });

  test("usage of any time, by hour, day and period, as CSV too", async () => {
    const today = new Date().toISOString().slice(0, 10);
    const [, ...days] = (await shown("usage", "acme", "--from", "2020-01-01", "--csv")).trim().split("\n");
    expect(days.map((row) => row.replace(/^.{24}/, ""))).toEqual([",calls,3,3"]);
    const ofPeriod = await shown("usage", "acme", "--granularity", "period", "--by", "region", "--meter", "calls");
    expect(ofPeriod.match(/calls\t\w+\t\d/g)?.sort()).toEqual(["calls\teu\t2", "calls\tus\t1"]);
    expect(await shown("usage", "acme", "--to", `${Number(today.slice(0, 4)) - 1}-01-01`)).toBe(
      "FROM\tMETER\tQUANTITY\tEVENTS\n",
    );
    const { err } = await runCliHere(metrly, ["usage", "acme", "--from", "yesterday"]);
    expect(err).toContain('not "yesterday"');
  });

  test("usage without --from and --to is of the current billing period, with any granularity", async () => {
    const startsAt = new Date(month.acceptedFromMs).toISOString();
    await runCliHere(metrly, ["tenants", "create", "past-co", "--plan", "basic", "--starts-at", startsAt]);
    const { out: key } = await runCliHere(metrly, ["api-keys", "issue", "--tenant", "past-co", "--scopes", "ingest"]);
    const base = { specversion: "1.0", type: "api.call", source: "test", data: { region: "eu" } };
    const events = [
      { ...base, id: "now" },
      { ...base, id: "then", time: startsAt },
    ];
    await waitFor(async () => (await postEvents(metrly.url, key.trim(), events)).status === 202, {
      what: "the events",
    });
    const rowsOf = async (...options: string[]) =>
      (await shown("usage", "past-co", "--csv", ...options)).trim().split("\n").slice(1);
    const isCounted = async () => (await rowsOf("--from", startsAt.slice(0, 10))).length === 2;
    await waitFor(isCounted, { what: "both events" });
    expect((await rowsOf()).map((row) => row.split(",").slice(0, 3).join())).toEqual(["calls,1,1"]);
    for (const granularity of ["hour", "day", "period"]) {
      const rows = await rowsOf("--granularity", granularity);
      expect(
        rows.map((row) => row.replace(/^[^,]+,/, "")),
        granularity,
      ).toEqual(["calls,1,1"]);
    }
  });

  test("usage by several dimensions has a column of each", async () => {
    const input = {
      key: "words",
      name: "Words",
      eventType: "word",
      aggregation: "COUNT",
      dimensions: ["model", "kind"],
    };
    await ask(metrly.url, admin, world.CREATE_METER, { input });
    const { out: key } = await runCliHere(metrly, ["api-keys", "issue", "--tenant", "acme", "--scopes", "ingest"]);
    const event = { specversion: "1.0", id: "w", source: "test", type: "word", data: { model: "a b", kind: "c" } };
    const withoutKind = { ...event, id: "w2", data: { model: "a b" } };
    await waitFor(async () => (await postEvents(metrly.url, key.trim(), [event, withoutKind])).status === 202, {
      what: "the events",
    });
    const usage = () =>
      shown("usage", "acme", "--meter", "words", "--by", "model,kind", "--granularity", "day", "--csv");
    const [header, ...rows] = await waitFor(
      async () => {
        const lines = (await usage()).trim().split("\n");
        return lines.length === 3 ? lines : undefined;
      },
      { what: "their usage" },
    );
    expect(header).toBe("from,meter,model,kind,quantity,events");
    expect(rows.map((row) => row.replace(/^\d[^,]*/, "")).sort()).toEqual([
      ",words,a b,(none),1,1",
      ",words,a b,c,1,1",
    ]);
    const [names, ...all] = (await shown("usage", "acme", "--by", "model,kind")).trim().split("\n");
    const firstOf = (line = "") => line.split("\t").slice(0, 4).join("|");
    expect(firstOf(names)).toBe("METER|MODEL|KIND|QUANTITY");
    // Other meters have neither.
    expect(all.map(firstOf).sort()).toEqual(["calls|-|-|3", "words|a b|(none)|1", "words|a b|c|1"]);
  });

  test("a limit in money shows what the invoice of now would charge for usage", async () => {
    const input = {
      ...{ key: "prose", name: "Prose", eventType: "prose", aggregation: "SUM", valueProperty: "n" },
      dimensions: ["model"],
    };
    await ask(metrly.url, admin, world.CREATE_METER, { input });
    const large = [{ dimension: "model", value: "large" }];
    const tiers = [{ upTo: "10", unitAmount: "0.105", flatAmount: "1" }, { unitAmount: "0.2" }];
    const prices = [
      { meter: "prose", model: "GRADUATED", tiers, where: large, discountPercent: "5" },
      { meter: "prose", model: "PACKAGE", packageSize: "3", unitAmount: "0.07", catchAll: true, minimumAmount: "0.2" },
    ];
    const limits = [{ unit: "MONEY", window: "BILLING_PERIOD", kind: "HARD", limit: "20", warnAt: ["0.1"] }];
    const version = { currency: "EUR", recurringFee: "100", minimumCommit: "50", prices, limits };
    await ask(metrly.url, admin, world.CREATE_PLAN, { input: { id: "spend", name: "Spend", version } });
    await ask(metrly.url, admin, world.CREATE_TENANT, { input: { id: "spender", name: "Spender" } });
    const { out: key } = await runCliHere(metrly, ["api-keys", "issue", "--tenant", "spender", "--scopes", "ingest"]);
    const events = [7, 6.5, 8].map((n, index) => ({
      ...{ specversion: "1.0", id: `w${index}`, type: "prose", source: "test" },
      data: { n, model: index === 2 ? "small" : "large" },
    }));
    const send = (some: readonly object[]) =>
      waitFor(async () => (await postEvents(metrly.url, key.trim(), some)).status === 202, { what: "the events" });
    // The first of them comes before the plan.
    await send(events.slice(0, 1));
    await ask(metrly.url, admin, `mutation { changePlan(tenantId: "spender", planId: "spend") { effectiveFrom } }`, {});
    await send(events.slice(1));
    const charged = await waitFor(
      async () => {
        const query = `{ tenant(id: "spender") { upcomingInvoice { lines { kind quantity amount { amount } } }
          alerts { nodes { kind meter unit currency limit } } } }`;
        const { tenant } = await ask<Spender, unknown>(metrly.url, admin, query);
        const { lines } = tenant.upcomingInvoice;
        const own = lines.filter(({ kind }) => kind === "USAGE");
        const isWhole = own.map(({ quantity }) => quantity).join() === "13.5,8" && tenant.alerts.nodes.length > 0;
        return isWhole ? { amounts: own.map(({ amount }) => amount.amount), alerts: tenant.alerts.nodes } : undefined;
      },
      { what: "the preview and its alert" },
    );
    // 1 + 10 x 0.105 + 3.5 x 0.2, less 5 %: 2.6125; three packages of 0.07.
    expect(charged.amounts).toEqual(["2.61", "0.21"]);
    expect(charged.alerts).toMatchObject([
      { kind: "WARNING", meter: null, unit: "MONEY", currency: "EUR", limit: "20" },
    ]);
    const shows = () => shown("quotas", "spender");
    const quotas = await waitFor(
      async () => {
        const found = await shows();
        return found.includes("2.82") ? found : undefined;
      },
      { what: "quota to show it" },
    );
    expect(quotas.trim().split("\n").at(-1)?.split("\t").slice(0, 7)).toEqual([
      ...["money (EUR)", "BILLING_PERIOD", "HARD", "2.82", "0", "20", "WARNING"],
    ]);
  });

  test("limits by dimension have a line for each combination, and can be asked for by their values", async () => {
    const input = {
      ...{ key: "seats", name: "Seats", eventType: "seat", aggregation: "COUNT", dimensions: ["user", "model"] },
    };
    await ask(metrly.url, admin, world.CREATE_METER, { input });
    const limit = { meter: "seats", window: "BILLING_PERIOD", kind: "HARD", limit: "10" };
    const where = [{ dimension: "model", value: "large" }];
    const limits = [limit, { ...limit, by: ["user"] }, { ...limit, by: ["user"], where }];
    const version = { currency: "EUR", prices: [], limits };
    await ask(metrly.url, admin, world.CREATE_PLAN, { input: { id: "by-user", name: "By user", version } });
    await ask(metrly.url, admin, world.CREATE_TENANT, { input: { id: "users", name: "Users", planId: "by-user" } });
    const { out: key } = await runCliHere(metrly, ["api-keys", "issue", "--tenant", "users", "--scopes", "ingest"]);
    const events = ["u1", "u1", "u 2"].map((user, n) => ({
      ...{ specversion: "1.0", id: `s${n}`, type: "seat", source: "test", data: { user, model: "small" } },
    }));
    await waitFor(async () => (await postEvents(metrly.url, key.trim(), events)).status === 202, {
      what: "the events",
    });
    const rows = async (...args: string[]) =>
      (await shown("quotas", "users", ...args))
        .trim()
        .split("\n")
        .slice(1)
        .map((line) => line.split("\t").slice(2, 5).join("|"));
    const all = await waitFor(
      async () => {
        const found = await rows();
        return found.includes("user=u 2|HARD|1") ? found : undefined;
      },
      { what: "their usage" },
    );
    expect(all).toEqual(["|HARD|3", "user=u1|HARD|2", "user=u 2|HARD|1"]);
    expect(await rows("--by", "user")).toEqual(["user=u1|HARD|2", "user=u 2|HARD|1"]);
    expect(await rows("--by", "user", "--dimension", "user=u3")).toEqual([
      "user=u3|HARD|0",
      "user=u3 model=large|HARD|0",
    ]);
    const wrong = await runCliHere(metrly, ["quotas", "users", "--dimension", "user"]);
    expect([wrong.code, wrong.err]).toEqual([1, '--dimension: "user" is not NAME=VALUE\n']);
  });

  test("one tenant, one invoice and one event are shown, and what is missing is named", async () => {
    expect(await shown("tenants", "show", "acme")).toMatch(/^plan +basic@1$/m);
    expect(await shown("events", "show", "e1", "--tenant", "acme", "--source", "test")).toMatch(/^status +RECORDED$/m);
    const lines = await runCliHere(metrly, ["invoices", "show", "inv_acme_000001"]);
    expect(lines.out).toMatch(
      /^KIND\tDESCRIPTION\tQUANTITY\tAMOUNT\tCOMPUTED\nRECURRING\tRecurring fee\t1\t10.00\t1 x 10 = 10 \(recurring fee\)\nUSAGE\tUsage of calls\t0\t0.00\t.*= 0.*\n$/,
    );
    expect(lines.err).toMatch(/^ACME-000001, .*, CLOSED: 10.00 EUR\n$/);
    for (const [args, named] of [
      [["tenants", "show", "nobody"], "tenant nobody"],
      [["invoices", "show", "inv_none"], "invoice inv_none"],
      [["invoices", "export", "inv_none"], "invoice inv_none"],
      [["events", "show", "e9", "--tenant", "acme", "--source", "test"], "event e9 of source test"],
    ] as const)
      expect(await runCliHere(metrly, args)).toMatchObject({ code: 1, out: "", err: expect.stringContaining(named) });
  });

  test("every event of a tenant is exported as it was sent, without those voided", async () => {
    const { out, err } = await runCliHere(metrly, ["events", "export", "acme"]);
    const events = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.map(({ id }) => id)).toContain("e1");
    for (const event of events)
      expect(event).toMatchObject({ specversion: "1.0", source: "test", subject: "acme", data: expect.anything() });
    expect(err).toBe(`${events.length} events of acme\n`);
  });

  test("what a command refuses says what to do instead", async () => {
    const err = async (...args: string[]) => (await runCliHere(metrly, args)).err;
    const refused =
      'mutation { createPlan(input: { id: "p", name: "P", version: { currency: "EUR", prices: [PRICE] } }) { id } }';
    const comma = refused.replace("PRICE", '{ meter: "calls", model: PER_UNIT, unitAmount: "0,01" }');
    expect(await err("graph", comma)).toMatch(
      /^GRAPHQL_VALIDATION_FAILED: .*"0,01".*Decimal must be plain decimal text/,
    );
    const several = refused.replace("PRICE", '{ meter: "cals", model: PER_UNIT, unitAmount: "-1" }');
    expect(await err("graph", several)).toMatch(
      /^INVALID:\n {2}version\.prices\[0\]\.[^\n]*\n {2}version\.prices\[0\]\./,
    );
    expect(await err("graph", '{ tenant(id: "acme") { usageTotals(granularity: WEEK) { meter } } }')).toMatch(
      /Its values: .*HOUR/,
    );
    expect(await err("invoices", "export", "inv_acme_000001", "--format", "pdf")).toContain("--pdf invoice.pdf");
    expect((await runCliHere(metrly, ["send", "-"])).err).toContain("Issue one: ");
  });

  test("a tenant, its keys and its webhook endpoints are set up", async () => {
    expect(await shown("tenants", "list")).not.toContain("new-co");
    expect((await runCliHere(metrly, ["tenants", "create", "new-co", "--plan", "basic"])).out).toBe("new-co\n");
    const issued = await runCliHere(metrly, ["api-keys", "issue", "--tenant", "new-co", "--scopes", "ingest,read"]);
    const secret = issued.out.trim();
    expect(secret).toMatch(/^mtr_live_/);
    const { id } = JSON.parse(await shown("api-keys", "list", "--tenant", "new-co", "--json"));
    expect(await shown("tenants", "show", "new-co", "--token", secret)).toMatch(/^tenant +new-co$/m);
    const replaced = await runCliHere(metrly, ["api-keys", "rotate", id, "--grace", "0"]);
    expect(replaced.out).toMatch(/^mtr_live_/);
    const next = JSON.parse(replaced.code === 0 ? await lastKey() : "{}");
    expect(await shown("api-keys", "revoke", next.id)).toBe(`${next.id} is revoked\n`);
    expect((await runCliHere(metrly, ["api-keys", "issue", "--tenant", "new-co", "--scopes", "all"])).err).toContain(
      "ingest, quota, read, admin",
    );
    const created = await runCliHere(metrly, ["webhooks", "create", "http://127.0.0.1:9/hook", "--tenant", "new-co"]);
    expect(created.out).toMatch(/^whsec_/);
    const endpoint = JSON.parse(await shown("webhooks", "list", "--tenant", "new-co", "--json"));
    expect(await shown("webhooks", "test", endpoint.id)).toContain(`is on its way to ${endpoint.id}`);
    expect(await shown("webhooks", "delete", endpoint.id)).toBe(`${endpoint.id} is deleted\n`);

    const ofOperators = ["webhooks", "create", "http://127.0.0.1:9/ops", "--platform", "--types", "quota.exceeded"];
    expect((await runCliHere(metrly, ofOperators)).out).toMatch(/^whsec_/);
    expect(JSON.parse(await shown("webhooks", "list", "--platform", "--json")).eventTypes).toContain("usage.unmetered");
    expect((await runCliHere(metrly, ["webhooks", "dead", "--platform"])).err).toBe(
      "No dead letters of the operators.\n",
    );
    expect(await shown("webhooks", "list", "--tenant", "new-co", "--json")).toBe("");
    expect((await runCliHere(metrly, ["webhooks", "list"])).err).toContain("--platform");

    async function lastKey(): Promise<string> {
      const keys = (await shown("api-keys", "list", "--tenant", "new-co", "--json")).trim().split("\n");
      return keys.find((key) => JSON.parse(key).id !== id) ?? "{}";
    }
  });

  test("earlier names of commands still work, and help does not show them", async () => {
    expect(await shown("tenants")).toContain("acme");
    expect(await shown("invoices", "acme")).toContain("inv_acme_000001");
    expect(await shown("verify", "invoice", "inv_acme_000001")).toContain("matches");
    expect(await shown("invoice", "export", "inv_acme_000001", "--format", "csv")).toContain("ACME-000001");
    const version = await shown("--version");
    expect(version).toMatch(/^\d+\.\d+\.\d+\n$/);
    for (const asked of ["-v", "version"]) expect(await shown(asked)).toBe(version);
    const help = await shown("--help");
    expect(help).not.toMatch(/^ {2}(all|billing|verify|invoice|keys) /m);
    for (const line of help.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  });

  test("nouns may be typed in the singular", async () => {
    for (const args of ["tenant list", "meter", "plan list", "quota acme", "invoice show inv_acme_000001"])
      expect(await runCliHere(metrly, args.split(" ")), args).toMatchObject({
        ...(await runCliHere(metrly, args.replace(/^\w+/, "$&s").split(" "))),
        code: 0,
      });
    for (const args of ["event show e1 --tenant acme --source test", "webhook list --tenant acme"])
      expect(await shown(...args.split(" "))).not.toBe("");
  });

  test("commands that read the data directory create none", async () => {
    const folder = path.join(metrly.dataDir, "no-such-folder");
    for (const args of [["signing-keys"], ["rebuild"], ["quotas", "reconcile"], ["events", "export", "acme"]]) {
      const { code, err } = await runCliHere(metrly, args, { METRLY_DATA_DIR: folder });
      expect([code, err]).toEqual([1, expect.stringContaining("Start Metrly here first")]);
    }
    expect(existsSync(folder)).toBe(false);
  });

  test("a misspelt command below a noun is told its name, and what is not found is named", async () => {
    for (const [args, hint] of [
      [["tenants", "lst"], "Did you mean list?"],
      [["invoices", "lst"], "Did you mean list?"],
      [["quotas", "sho", "acme"], "Did you mean show?"],
      [["api-keys", "rotate", "key_9"], "no API key key_9"],
      [["webhooks", "test", "whe_9"], "no webhook endpoint whe_9"],
      [["tenants", "create", "one", "--plan", "none"], "no plan none"],
    ] as const)
      expect(await runCli(metrly, args)).toMatchObject({ code: 1, out: "", err: expect.stringContaining(hint) });
  });

  test("as JSON, an object per line", async () => {
    const [first = ""] = (await shown("tenants", "--json")).split("\n");
    expect(JSON.parse(first)).toMatchObject({ id: "acme", plan: { plan: { id: "basic" } } });
  });

  test("metrly watch prints one snapshot in a pipe, and objects with --json", async () => {
    // A machine that stops for seconds makes it unready for a moment.
    const snapshot = await waitFor(
      async () => {
        const one = await shown("watch", "--every", "1", "--tenant", "acme");
        return /^ready$/m.test(one) ? one : undefined;
      },
      { what: "a snapshot of a Metrly that is ready" },
    );
    expect(snapshot).toMatch(/^acme +0\.0 +calls per period, hard +█+░+ +\d+ % +\w+$/m);
    expect(await runCli(metrly, ["watch", "--tenant", "nobody"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("no tenant nobody"),
    });
    expect((await runCli(metrly, ["watch", "--every", "0"])).err).toContain("--every takes seconds");
    expect((await runCli(metrly, ["watch", "--url", "http://127.0.0.1:9"])).err).toContain("No response");
  });

  test("any operation can be run, and its errors are shown", async () => {
    expect(JSON.parse(await shown("graph", "{ viewer { roles } }"))).toEqual({ viewer: { roles: ["PLATFORM_ADMIN"] } });
    const variables = ["--variables", '{"id":"acme"}'];
    const asked = await shown("graph", "query ($id: ID!) { tenant(id: $id) { name } }", ...variables);
    expect(JSON.parse(asked)).toEqual({ tenant: { name: "Acme Inc." } });
    expect((await runCliHere(metrly, ["graph", "{ viewer { id } }", "--variables", "x"])).err).toContain("JSON object");
  });

  test("signing keys rotate: issued tokens stay valid until their key is revoked", async () => {
    const [before] = JSON.parse(await shown("signing-keys", "list", "--json"));
    const old = await metrly.adminToken();
    expect(await shown("signing-keys", "rotate")).toContain("signs from now on");
    const keys = JSON.parse(await shown("signing-keys", "list", "--json"));
    expect(keys.map(({ id, signs }: { id: string; signs: boolean }) => [id === before.id, signs])).toEqual([
      [false, true],
      [true, false],
    ]);
    expect(await shown("signing-keys")).toBe(`KEY\tUSE\n${keys[0].id}\tsigns\n${before.id}\tverifies only\n`);
    expect((await runCliHere(metrly, ["signing-keys", "revoke", keys[0].id])).err).toContain("signing-keys rotate");
    const isRefused = async () => (await runCliHere(metrly, ["tenants", "--token", old])).code === 1 || undefined;
    expect(await isRefused()).toBeUndefined();
    await shown("signing-keys", "revoke", before.id);
    await waitFor(isRefused, { what: "the old token to be refused" });
    // The command's own token was replaced.
    expect(await shown("tenants")).toContain("acme");
  });

  test("an id may begin with a hyphen", async () => {
    const id = `-h${"Ab_-9".repeat(8)}J`;
    for (const noun of ["signing-keys", "signing-key", "keys"])
      expect(await runCliHere(metrly, [noun, "revoke", id])).toMatchObject({
        code: 1,
        err: expect.stringContaining(`There is no key ${id}`),
      });
    const { err } = await runCliHere(metrly, ["events", "show", "-E4Q", "--tenant", "acme", "--source", "test"]);
    expect(err).toContain("An id that begins with a hyphen is typed after --");
    expect(
      (await runCliHere(metrly, ["events", "show", "--tenant", "acme", "--source", "test", "--", "-E4Q"])).err,
    ).toContain("NOT_FOUND");
  });

  test("a Metrly proves that it knows the admin token of its data directory, to a short challenge", async () => {
    expect(await isMetrlyOf(metrly.dataDir, metrly.url)).toBe(true);
    const proofFor = async (challenge: string) => {
      const response = await fetch(`${metrly.url}/healthz`, { headers: { [CHALLENGE_HEADER]: challenge } });
      return [response.status, response.headers.get(PROOF_HEADER)?.length];
    };
    expect(await proofFor("c".repeat(64))).toEqual([200, 64]);
    expect(await proofFor("c".repeat(65))).toEqual([200, undefined]);
  });

  test("an unknown tenant is reported with a hint, and completion has the real commands", async () => {
    expect(await runCliHere(metrly, ["usage", "nobody"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("node dist/cli/metrly.js tenants list"),
    });
    expect(await shown("completion", "bash")).toContain("complete -o default -F _metrly metrly");
    expect(await runCliHere(metrly, ["completion", "tcsh"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("bash, zsh, fish"),
    });
  });

  test.skipIf(!hasTerminal)("metrly watch says that the server is down, and goes on when it is back", async () => {
    const session = atTerminal(metrly, ["watch", "--every", "1"], { columns: 80, rows: 24 });
    await session.shows(/EVENTS +\d/);
    await metrly.kill();
    const screen = await session.shows("Trying again …");
    expect(screen).toMatch(/^No response from .*\n\nEVENTS/m);
    await metrly.restart();
    await session.shows(/^ready$/m);
    session.type("q");
    await session.ended();
  });
});
