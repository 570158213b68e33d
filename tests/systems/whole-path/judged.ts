import { expect } from "vitest";
import { ERROR_CODES, isErrorCode } from "#kernel/errors.js";
import type { History, Line } from "../../oracle/history.js";
import { explain, judge } from "../../oracle/judge.js";
import { waitFor } from "../../servers/servers.js";
import { askRaw } from "../../support/client.js";
import { hasProgram } from "../../support/programs.js";
import { INVOICES, TOTALS } from "./life/operations.js";
import { lastMonth } from "./world.js";

/** A Metrly, and what its clients did with it and were answered. */
interface Judged {
  readonly url: string;
  readonly admin: string;
  readonly history?: History;
}

interface Shown {
  readonly tenant: { readonly usageTotals?: unknown; readonly invoices?: { readonly nodes: unknown } };
}

interface Input {
  readonly tenantId: string;
  readonly periodStart?: string;
  readonly granularity?: string;
}

/** Keeps a request that must succeed, with its answer. */
export async function kept<Answer>(
  history: History | undefined,
  op: string,
  input: object,
  ask: () => Promise<Answer>,
): Promise<Answer> {
  if (history === undefined) return ask();
  const { answer } = await history.record(op, input, async () => ({ outcome: "ok", answer: await ask() }));
  return answer as Answer;
}

/** Looks at what the tenants have now, and expects it to be possible after all that clients did and were answered. */
export async function expectJudged(
  { url, admin, history }: Judged,
  { tenants, seed }: { readonly tenants: readonly string[]; readonly seed: number },
): Promise<void> {
  if (history === undefined || !hasProgram("python3")) return;
  async function look(op: string, text: string, input: Input, part: (shown: Shown["tenant"]) => unknown) {
    const ask = async () => {
      const { data, errors } = await askRaw<Shown, object>(url, admin, text, input);
      if (data) return { answer: part(data.tenant) };
      const isTemporary = errors?.some(
        ({ extensions: { code } }) => isErrorCode(code) && ERROR_CODES[code].status === 503,
      );
      if (isTemporary) return undefined;
      return { failure: `GraphQL: ${JSON.stringify(errors)}` };
    };
    // Asked again while no service answers in time: a busy machine is slow.
    await kept(history, op, input, async () => {
      const { answer, failure } = await waitFor(ask, { what: `${op} of ${input.tenantId}` });
      if (failure !== undefined) throw new Error(failure);
      return answer;
    });
  }
  const periodStart = new Date(lastMonth(Date.now()).startMs).toISOString();
  for (const tenantId of tenants) {
    await look("usageTotals", TOTALS, { tenantId }, ({ usageTotals }) => usageTotals);
    for (const granularity of ["PERIOD", "DAY"])
      await look("usageTotals", TOTALS, { tenantId, periodStart, granularity }, ({ usageTotals }) => usageTotals);
    await look("invoices", INVOICES, { tenantId }, ({ invoices }) => invoices?.nodes);
  }
  const lines = history.lines.filter((line) => isAbout(line, tenants));
  const [verdict] = await judge(lines);
  expect(verdict === undefined ? "no verdict" : explain(verdict, lines), `seed ${seed}`).toBe("");
  for (const rule of ["total", "quantity of a line", "accounting"])
    expect(verdict?.checked[rule], rule).toBeGreaterThan(0);
}

/** Whether a line is about one of these tenants, or about none. */
function isAbout({ op, input = {} }: Line, tenants: readonly string[]): boolean {
  const { tenantId, id, events } = input as {
    readonly tenantId?: string;
    readonly id?: string;
    readonly events?: readonly { readonly subject?: string }[];
  };
  if (events !== undefined) return events.some(({ subject }) => subject !== undefined && tenants.includes(subject));
  const about = op === "createTenant" ? id : tenantId;
  return about === undefined || tenants.includes(about);
}
