import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Browser, Page, WebSocketRoute } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { hasChromium, waitFor } from "../../servers/servers.js";
import { ask, postEvents, untilServed } from "../../support/client.js";
import { type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import { startBrowser } from "./browser.js";

const MARKUP = `<img src=x onerror="window.injected = true"> & ${"long".repeat(30)}`;
const SIZES = [
  { width: 800, height: 900 },
  { width: 1_280, height: 800 },
];

/** In the page: places that are narrower than what they hold, and buttons below the end of the screen. */
const MISFITS = `[
  ...[...document.querySelectorAll("html, main, #operations, .sections > section")].filter((place) => place.scrollWidth > place.clientWidth),
  ...[...document.querySelectorAll("#operations button, #sign-out")].filter((button) => button.getBoundingClientRect().bottom > innerHeight),
].map((place) => place.outerHTML.slice(0, 80))`;
/** In the page: other variables for the operation that is open. */
const NAMING_ACME = `[...document.querySelectorAll(".CodeMirror")]
  .find(({ CodeMirror }) => CodeMirror.getValue().startsWith("{")).CodeMirror.setValue('{ "tenantId": "acme" }')`;

/** In the page: whether the open tab is within the bar of tabs, which the editor does not cover. */
const IS_TAB_SEEN = `(() => {
  const [tab, tabs, editor] = [".graphiql-tab-active", ".graphiql-session-header", ".graphiql-session"]
    .map((place) => document.querySelector(place).getBoundingClientRect());
  const middle = tab.top + tab.height / 2;
  return middle > tabs.top && middle < tabs.bottom && tabs.bottom <= editor.top;
})()`;

interface Demo {
  readonly tenant: {
    readonly usageTotals: readonly { readonly quantity: string }[];
    readonly invoices: { readonly nodes: readonly object[] };
    readonly quotas: readonly object[];
  };
}

describe.skipIf(!hasChromium)("the explorer in a browser", () => {
  let metrly: MetrlyProcess;
  let browser: Browser;
  let page: Page;
  const sockets: WebSocketRoute[] = [];
  const elsewhere: string[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    metrly = await startMetrly("embedded", { METRLY_DEMO: "on" });
    // The overview shows what is there when it is opened.
    await waitFor(isDemoThere, { what: "the demo's usage, invoice and limits" });
    browser = await startBrowser();
    page = await browser.newPage({ viewport: { width: 1_280, height: 800 } });
    page.setDefaultTimeout(120_000);
    page.on("request", (request) => {
      if (!request.url().startsWith(metrly.url) && !request.url().startsWith("data:")) elsewhere.push(request.url());
    });
    page.on("console", (message) => {
      // The browser's own, of a refused token, and of what a machine that stopped refuses for now.
      if (message.type() === "error" && !/\b(?:401|503)\b/.test(message.text())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.routeWebSocket(/\/graphql$/, (socket) => {
      sockets.push(socket);
      socket.connectToServer();
    });
    await page.goto(metrly.url);
    await page.waitForSelector("#sign-in");
  });
  afterEach(async () => {
    const folder = process.env.METRLY_TEST_SCREENSHOTS;
    if (folder !== undefined)
      await page.screenshot({
        path: path.join(folder, `${expect.getState().currentTestName?.replace(/\W+/g, "-")}.png`),
      });
  });
  afterAll(async () => {
    await browser?.close();
    await metrly?.dispose();
  });

  const demoKey = async (): Promise<string> =>
    JSON.parse(await readFile(path.join(metrly.dataDir, "demo-keys.json"), "utf8")).acme;
  const admin = async <Result = unknown>(query: string, variables: Record<string, unknown>) =>
    ask<Result, Record<string, unknown>>(metrly.url, await metrly.adminToken(), query, variables);
  async function isDemoThere(): Promise<boolean> {
    const { tenant } = await admin<Demo>(
      `query Demo { tenant(id: "acme") { usageTotals(meter: "api_calls") { quantity } invoices { nodes { id } } quotas { used } } }`,
      {},
    );
    const isUsed = tenant.usageTotals.some(({ quantity }) => Number(quantity) > 0);
    return isUsed && tenant.invoices.nodes.length > 0 && tenant.quotas.length > 0 && (await demoKey()) !== "";
  }
  const shows = (selector: string, text: string | RegExp) =>
    waitFor(async () => ((await page.textContent(selector)) ?? "").match(text) !== null || undefined, {
      what: `${selector} to show ${text}`,
    });
  const signIn = async (token: string) => {
    await page.fill("#token", token);
    await page.press("#token", "Enter");
  };
  /** Opens a saved operation, and runs it. */
  async function run(title: string, name: string): Promise<void> {
    await page.getByRole("button", { name: title, exact: true }).click();
    await shows(".graphiql-query-editor", name);
    await page.click(".graphiql-execute-button");
  }
  const answers = (text: string | RegExp) => shows(".graphiql-response", text);
  /** The page and the PDF of a listed invoice open, and no address has the token. */
  async function assertInvoiceOpens(place: string): Promise<void> {
    const [tab] = await Promise.all([
      page.waitForEvent("popup"),
      page.locator(`${place} button[aria-label^=Page]`).first().click(),
    ]);
    await tab.getByRole("heading", { name: "Invoice" }).waitFor();
    expect(await tab.textContent("body")).toContain("Acme Search");
    expect(tab.url()).toMatch(/^blob:/);
    await tab.close();
    const saving = page.waitForEvent("download");
    await page.locator(`${place} button[aria-label^=PDF]`).first().click();
    const saved = await saving;
    expect(saved.suggestedFilename()).toMatch(/^ACME-\d+\.pdf$/);
    expect((await readFile(await saved.path())).subarray(0, 5).toString()).toBe("%PDF-");
  }
  /** Nothing is wider than its place, and every button of the list is on the screen. */
  async function assertFits(): Promise<void> {
    for (const size of SIZES) {
      await page.setViewportSize(size);
      const misfits = await page.evaluate(MISFITS);
      expect(misfits, `at ${size.width} pixels`).toEqual([]);
    }
  }

  test("a refused token says so and how to go on, and one click signs in, in demo mode", async () => {
    await shows("#operations", "Close a tenant");
    expect(await page.textContent("#who")).toBe("Not signed in");
    await assertFits();
    await signIn("nonsense");
    await shows("#notice", "The server refused this key or token");
    let answer = () => {};
    const answered = new Promise<void>((resolve) => (answer = resolve));
    await page.route(/\/graphql$/, async (route) => {
      if (route.request().postData()?.includes("ExplorerTenants")) await answered;
      await route.continue();
    });
    await page.click("#sign-in");
    await shows("#who", /explorer.*platform administrator, all tenants/);
    await shows("#overview h1", "Loading the tenants…");
    answer();
    await shows("#overview h1", "Acme Search");
    await page.unrouteAll({ behavior: "wait" });
  });

  test("a tenant's overview shows usage by day, limits, invoices and alerts, and says what is missing", async () => {
    await shows("#overview h1", "Acme Search");
    await shows("[data-section=Invoices]", /EUR/);
    await page.waitForSelector(".bars rect:not(.none)");
    expect(await page.getByRole("img", { name: /^API calls by day; most on/ }).count()).toBe(1);
    expect(await page.getByRole("meter", { name: "API calls per hour" }).getAttribute("aria-valuetext")).toMatch(
      /of 1,000/,
    );
    await assertInvoiceOpens("[data-section=Invoices]");
    await assertFits();
    await admin(`mutation Create($input: CreateTenantInput!) { createTenant(input: $input) { id } }`, {
      input: { id: "markup", name: MARKUP },
    });
    await page.getByRole("button", { name: "Overview", exact: true }).click();
    await page.selectOption("#tenant select", "markup");
    await shows("#overview .facts", "no plan yet");
    expect(await page.textContent("#overview h1")).toBe(MARKUP);
    await shows("[data-section=UsageByDay]", "No usage in this period yet");
    await shows("[data-section=Alerts]", "None");
    await assertFits();
    expect(await page.evaluate(`"injected" in window`)).toBe(false);
  });

  test("a saved query shows data of the chosen tenant, a saved mutation its result", async () => {
    await page.selectOption("#tenant select", "acme");
    await run("Limits", "query Quotas");
    await answers("llm_tokens");
    await run("Invoices, line by line", "query Invoices");
    await assertInvoiceOpens("#papers");
    await run("Create a meter", "mutation CreateMeter");
    await answers("images_rendered");
    await assertFits();
  });

  test("with more tabs than a row holds, the open one is seen, and its task is not cut", async () => {
    await page.setViewportSize({ width: 800, height: 900 });
    for (const title of [
      "Usage",
      "Accounting",
      "What no meter counts",
      "Alerts so far",
      "Periods, next invoice",
      "Prepaid credits",
      "Verify an invoice",
      "Webhook deliveries",
      "Change a plan",
    ])
      await page.getByRole("button", { name: title, exact: true }).click();
    await page.getByRole("button", { name: "Close a tenant", exact: true }).click();
    await shows(".graphiql-query-editor", "mutation CloseTenant");
    await waitFor(async () => (await page.evaluate(IS_TAB_SEEN)) === true, { what: "the open tab to be seen" });
    await page.waitForSelector(".graphiql-query-editor .CodeMirror-wrap");
  });

  test("live alerts say that they wait, and go on after a lost connection", async () => {
    await run("Alerts from now on live", "subscription QuotaAlerts");
    // A machine that stops for seconds may let the server's time for a greeting pass.
    await shows("#live", /Connected(?: again)?, waiting for the next alert\./);
    const before = sockets.length;
    await sockets.at(-1)?.close({ code: 1_012 });
    await waitFor(() => sockets.length > before, { what: "another connection" });
    await shows("#live", "Connected again, waiting for the next alert.");
    const event = { specversion: "1.0", id: "explorer", source: "test", type: "llm.completion" };
    const key = await demoKey();
    const usage = [{ ...event, data: { tokens: "11000000" } }];
    const answered = await untilServed(() => postEvents(metrly.url, key, usage));
    expect(answered.status).toBe(202);
    await answers(/WARNING/);
    await shows("#live", /1 so far/);
  });

  test("a key says its role and tenant, shows why a subscription is denied, and ends when it is revoked", async () => {
    const input = { tenantId: "globex", name: "explorer", scopes: ["READ"] };
    const { issueApiKey } = await admin<{ issueApiKey: { secret: string; apiKey: { id: string } } }>(
      `mutation Issue($input: IssueApiKeyInput!) { issueApiKey(input: $input) { secret apiKey { id } } }`,
      { input },
    );
    await page.click("#sign-out");
    await signIn(issueApiKey.secret);
    await shows("#who", /API key .* ?viewer \(READ\), tenant globex/);
    await shows("#overview h1", "Globex Robotics");
    await page.getByRole("button", { name: "Alerts from now on live", exact: true }).click();
    await shows(".graphiql-query-editor", "subscription QuotaAlerts");
    await page.evaluate(NAMING_ACME);
    await page.click(".graphiql-execute-button");
    await shows("#live", 'Ended by an error: There is no tenant "acme"');
    await answers("NOT_FOUND");
    await admin(`mutation Revoke($id: ID!) { revokeApiKey(id: $id) { id } }`, { id: issueApiKey.apiKey.id });
    await page.getByRole("button", { name: "Overview", exact: true }).click();
    await shows("#notice", "the server no longer accepts your key or token");
    expect(await page.textContent("#who")).toBe("Not signed in");
  });

  test("the page of the data plane shows every operation, and sends a request with a key", async () => {
    await page.goto(`${metrly.url}/docs`);
    await page.locator(".opblock").first().waitFor();
    expect(await page.locator(".opblock").count()).toBe(8);
    await page.click(".btn.authorize");
    await page.fill(".auth-container input", await demoKey());
    await page.click(".auth-btn-wrapper .authorize");
    await page.click(".auth-btn-wrapper .btn-done");
    const check = page.locator("#operations-Quotas-checkQuota");
    await check.locator(".opblock-summary-control").click();
    await check.locator(".execute").click();
    await check.locator(".live-responses-table .response-col_status").getByText("200").waitFor();
    expect(await check.locator(".live-responses-table").textContent()).toContain('"reason": "WITHIN_LIMITS"');
  });

  test("nothing was loaded from other origins, and no errors were logged", () => {
    expect(elsewhere).toEqual([]);
    expect(complaints).toEqual([]);
  });
});
