import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { hasChromium, waitFor } from "../../servers/servers.js";
import { postEvents } from "../../support/client.js";
import { type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import { startBrowser } from "./browser.js";

describe.skipIf(!hasChromium)("the explorer in a browser", () => {
  let metrly: MetrlyProcess;
  let browser: Browser;
  let page: Page;
  const elsewhere: string[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    metrly = await startMetrly("embedded", { METRLY_DEMO: "on" });
    await waitFor(demoKey, { what: "the demo", deadlineMs: 120_000 });
    browser = await startBrowser();
    page = await browser.newPage({ viewport: { width: 1_400, height: 900 } });
    page.on("request", (request) => {
      if (!request.url().startsWith(metrly.url) && !request.url().startsWith("data:")) elsewhere.push(request.url());
    });
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(metrly.url);
    await page.waitForSelector(".graphiql-execute-button");
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
  const answer = async (): Promise<string> => (await page.textContent(".graphiql-response")) ?? "";
  async function openTab(name: string): Promise<void> {
    await page.getByRole("tab", { name, exact: true }).click();
    // GraphiQL detects a tab's operation with a short delay.
    await page.waitForTimeout(500);
  }
  const run = () => page.click(".graphiql-execute-button");
  const shown = (text: string | RegExp) =>
    waitFor(async () => ((await answer()).match(text) ? true : undefined), {
      what: `the answer to show ${text}`,
    });

  test("one click signs in, in demo mode", async () => {
    expect(await page.textContent("#who")).toBe("Not signed in");
    await page.click("#sign-in");
    await waitFor(async () => (await page.textContent("#who")) === "Signed in" || undefined, { what: "the sign-in" });
  });

  test("a saved query shows data, a saved mutation its result", async () => {
    await openTab("Quotas");
    await run();
    await shown("llm_tokens");
    await openTab("CreateMeter");
    await run();
    await shown("images_rendered");
  });

  test("an alert arrives live in its tab", async () => {
    await openTab("QuotaAlerts");
    await run();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const event = { specversion: "1.0", id: "explorer", source: "test", type: "llm.completion" };
    const answered = await postEvents(metrly.url, await demoKey(), [{ ...event, data: { tokens: "11000000" } }]);
    expect(answered.status).toBe(202);
    await shown(/WARNING/);
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
