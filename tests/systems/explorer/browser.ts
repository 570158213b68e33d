import { type Browser, chromium } from "playwright-core";

/** Headless Chromium (the program named by CHROMIUM) without background traffic and with default security rules. */
export async function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
    headless: true,
  });
}
