import { BILLING_REBUILD_PATH } from "#platform/auth/internal-api.js";
import { monotonicMs } from "#platform/lifecycle/time.js";
import type { Env } from "#platform/process/config.js";
import { naming, UserError } from "./connection/failure.js";
import { connectToService } from "./connection/internal.js";
import { stepsOf } from "./connection/steps.js";
import { bar, clockText } from "./send/progress.js";
import { tenantsAdvice } from "./show/print.js";

export interface RebuildCommand {
  readonly tenant?: string;
  readonly check?: boolean;
  readonly json?: boolean;
  readonly url?: string;
}

type Step =
  | { readonly kind: "progress"; readonly entries: number; readonly of: number; readonly events: number }
  | {
      readonly kind: "compared";
      readonly comparison: {
        readonly name: string;
        readonly rows: number;
        readonly difference?: { readonly key: string; readonly live: string | null; readonly rebuilt: string | null };
      };
    }
  | { readonly kind: "done"; readonly events: number; readonly differences: number; readonly replaced: boolean };

const LINE_EVERY_MS = 5_000;

/** `metrly rebuild`: rebuilds billing's tables from the ledger and compares. Throws `UserError` when differences remain. */
export async function rebuildBilling(options: RebuildCommand, env: Env): Promise<void> {
  const billing = await connectToService("billing", options.url, env);
  const asked = billing.post(BILLING_REBUILD_PATH, {
    ...(options.tenant !== undefined && { tenantId: options.tenant }),
    check: options.check === true ? "true" : "false",
  });
  const response = await naming(`tenant ${options.tenant}`, tenantsAdvice(), asked);
  const out = progressOn(process.stderr);
  let irreplaceable = 0;
  for await (const step of stepsOf<Step>(response)) {
    if (step.kind === "progress") out.show(step);
    else if (options.json) process.stdout.write(`${JSON.stringify(step)}\n`);
    if (step.kind === "compared") {
      out.clear();
      const { name, rows, difference } = step.comparison;
      if (difference !== undefined && ["periods", "invoices"].includes(name)) irreplaceable += 1;
      if (!options.json) process.stdout.write(`${describe(name, rows, difference)}\n`);
    }
    if (step.kind === "done") finish(step, irreplaceable, options.json === true);
  }
}

function finish(
  { events, differences, replaced }: Extract<Step, { kind: "done" }>,
  irreplaceable: number,
  quiet: boolean,
): void {
  const summary = `rebuilt from ${events.toLocaleString("en")} events: ${differences === 0 ? "the same, byte for byte" : `${differences} differences`}`;
  if (!quiet) process.stdout.write(`${summary}${replaced ? "; the rebuilt usage replaced it" : ""}\n`);
  if (irreplaceable > 0)
    throw new UserError(
      "Closed periods or invoices differ from the ledger. They are never replaced: verify each of them.",
    );
  if (differences > 0 && !replaced)
    throw new UserError("Usage differs from the ledger. Run it without --check to replace it.");
}

function describe(
  name: string,
  rows: number,
  difference: { readonly key: string; readonly live: string | null; readonly rebuilt: string | null } | undefined,
): string {
  if (difference === undefined) return `${name}: ${rows.toLocaleString("en")} rows, the same`;
  const { key, live, rebuilt } = difference;
  return `${name}: first difference after ${rows.toLocaleString("en")} rows, at ${key}:\n  live:    ${live ?? "(missing)"}\n  rebuilt: ${rebuilt ?? "(missing)"}`;
}

/** Before that, a rate tells nothing. */
const SPEED_AFTER_MS = 1_000;

function speed(elapsedMs: number, share: number, events: number): string {
  const rate = Math.round((events * 1_000) / elapsedMs).toLocaleString("en");
  return `${rate} events/s  ETA ${share > 0 ? clockText((elapsedMs / share) * (1 - share)) : "?"}`;
}

/** In place on a terminal, otherwise as an occasional line. The bar never goes back, although usage that arrives meanwhile is more to do. */
export function progressOn(out: Pick<NodeJS.WriteStream, "isTTY" | "write">) {
  const began = monotonicMs();
  let shownAt = 0;
  let share = 0;
  return {
    show({ entries, of, events }: Extract<Step, { kind: "progress" }>): void {
      const now = monotonicMs();
      if (!out.isTTY && now - shownAt < LINE_EVERY_MS) return;
      shownAt = now;
      share = Math.max(share, of === 0 ? 1 : entries / of);
      const done = `${bar(share)}  ${events.toLocaleString("en")} events`;
      const line = now - began < SPEED_AFTER_MS ? done : `${done}  ${speed(now - began, share, events)}`;
      out.write(out.isTTY ? `\r\u001b[2K${line}` : `${line}\n`);
    },
    clear(): void {
      if (out.isTTY) out.write("\r\u001b[2K");
    },
  };
}
