import { execFile, spawnSync } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { waitFor } from "../../servers/servers.js";
import { runCli } from "../../support/cli.js";
import { ask, postEvents } from "../../support/client.js";
import { type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import * as world from "../whole-path/world.js";

const run = promisify(execFile);
/** util-linux's `script`, which gives a command a terminal. */
const hasScript = spawnSync("script", ["--version"]).status === 0;

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
    const { code, out, err } = await runCli(metrly, args);
    expect([code, err]).toEqual([0, ""]);
    return out;
  }

  test("tenants, usage, quotas and invoices, as text with tabs", async () => {
    expect(await shown("tenants")).toBe("TENANT\tNAME\tSTATUS\tPLAN\nacme\tAcme Inc.\tACTIVE\tbasic@1\n");
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
    expect(await second("invoices", "acme")).toMatch(
      /^inv_acme_000001\tACME-000001\t\d{4}-\d\d-01\t\d{4}-\d\d-01\tCLOSED\t10.00\tEUR$/,
    );
  });

  test("as JSON, an object per line", async () => {
    expect(JSON.parse(await shown("tenants", "--json"))).toMatchObject({ id: "acme", plan: { plan: { id: "basic" } } });
  });

  test.skipIf(!hasScript)("at a terminal aligned, with usage by day", async () => {
    const command = `${process.execPath} ${path.join(packageRoot(), "dist/cli/metrly.js")} usage acme`;
    const { stdout } = await run("script", ["-qec", command, "/dev/null"], {
      env: { ...process.env, METRLY_PORT: new URL(metrly.url).port, METRLY_DATA_DIR: metrly.dataDir },
    });
    const [header, row] = stdout.replaceAll("\r", "").split("\n");
    expect(header).toMatch(/^METER +QUANTITY +EVENTS +LAST EVENT +BY DAY$/);
    expect(row).toMatch(/^calls +3 +3 +\S+ +▁*█$/);
  });

  test("any operation can be run, and its errors are shown", async () => {
    expect(JSON.parse(await shown("graph", "{ viewer { roles } }"))).toEqual({ viewer: { roles: ["PLATFORM_ADMIN"] } });
    const variables = ["--variables", '{"id":"acme"}'];
    const asked = await shown("graph", "query ($id: ID!) { tenant(id: $id) { name } }", ...variables);
    expect(JSON.parse(asked)).toEqual({ tenant: { name: "Acme Inc." } });
    expect((await runCli(metrly, ["graph", "{ nothing }"])).err).toContain("GRAPHQL_VALIDATION_FAILED");
    expect((await runCli(metrly, ["graph", "{ viewer { id } }", "--variables", "x"])).err).toContain("JSON object");
  });

  test("signing keys rotate: issued tokens stay valid until their key is revoked", async () => {
    const [before] = JSON.parse(await shown("keys", "--json"));
    const old = await metrly.adminToken();
    expect(await shown("keys", "rotate")).toContain("signs from now on");
    const keys = JSON.parse(await shown("keys", "--json"));
    expect(keys.map(({ id, signs }: { id: string; signs: boolean }) => [id === before.id, signs])).toEqual([
      [false, true],
      [true, false],
    ]);
    expect((await runCli(metrly, ["keys", "revoke", keys[0].id])).err).toContain("metrly keys rotate");
    const isRefused = async () => (await runCli(metrly, ["tenants", "--token", old])).code === 1 || undefined;
    expect(await isRefused()).toBeUndefined();
    await shown("keys", "revoke", before.id);
    await waitFor(isRefused, { what: "the old token to be refused" });
    // The command's own token was replaced.
    expect(await shown("tenants")).toContain("acme");
  });

  test("an unknown tenant is reported with a hint, and completion has the real commands", async () => {
    expect(await runCli(metrly, ["usage", "nobody"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("metrly tenants"),
    });
    expect(await shown("completion", "bash")).toContain("complete -o default -F _metrly metrly");
    expect(await runCli(metrly, ["completion", "tcsh"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("bash, zsh, fish"),
    });
  });
});
