import { type Browser, chromium } from "playwright-core";

/** Headless Chromium (the program that CHROMIUM names), which talks to nobody by itself and keeps a browser's usual rules. */
export async function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
    headless: true,
  });
}
