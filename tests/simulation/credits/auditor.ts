import { Decimal } from "#kernel/decimal.js";
import { type Database, openDatabase } from "#platform/database/database.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { createCreditReads } from "../../../workers/billing/graph/credit-resolvers.js";
import { createInvoiceReads } from "../../../workers/billing/graph/invoice-reads.js";
import { rebuild } from "../../../workers/billing/rebuild/rebuild.js";
import type { Comparison } from "../../../workers/billing/store/rebuilt.js";
import { createInvoiceVerifier } from "../../../workers/billing/verify.js";
import { readLedger } from "../../../workers/ingestion/store/ledger.js";
import { TENANTS } from "../terms/terms.js";
import type { DocumentLine, ShownCredits } from "./judge.js";

export interface AuditorOptions {
  readonly urlOf: (service: "billing" | "ingestion") => string;
  readonly tenancy: TenancyCopy;
  readonly partitions: number;
  readonly nowMs: () => number;
}

export interface Previewed {
  readonly tenantId: string;
  readonly lines: readonly DocumentLine[];
}

/**
 * Asks the product what it shows of credits, what the next invoices will say, and whether rebuilding and verifying give the same: over
 * connections of its own, outside of the simulation, whose time stands still.
 */
export function createAuditor({ urlOf, tenancy, partitions, nowMs }: AuditorOptions) {
  const clock = { now: nowMs };
  const context: SubgraphContext = {
    identity: { kind: "USER", id: "auditor", roles: ["PLATFORM_ADMIN"], tenantId: null, scopes: [] },
  };

  async function asked<T>(ask: (billing: Database, ledger: LedgerClient) => Promise<T>): Promise<T> {
    const open = (service: "billing" | "ingestion") => openDatabase({ url: urlOf(service), onError: () => undefined });
    const [billing, ingestion] = await Promise.all([open("billing"), open("ingestion")]);
    try {
      return await ask(billing, { read: (query) => readLedger(ingestion, query) });
    } finally {
      await Promise.all([billing.stop(), ingestion.stop()]);
    }
  }

  return {
    /** By tenant, in cents. */
    shown: (): Promise<ShownCredits[]> =>
      asked(async (database) => {
        const reads = createCreditReads({ database, tenancy, clock, partitions });
        return Promise.all(
          TENANTS.map(async (tenantId) => {
            const { at, granted, drawn, expired, voided, available } = await reads.credits(context, tenantId, null);
            const [g, d, e, v, a] = [granted, drawn, expired, voided, available].map((text) =>
              new Decimal(text).times(100).toNumber(),
            );
            return { tenantId, at, granted: g ?? 0, drawn: d ?? 0, expired: e ?? 0, voided: v ?? 0, available: a ?? 0 };
          }),
        );
      }),
    /** What each tenant's next invoice would say now. */
    previewed: (): Promise<Previewed[]> =>
      asked(async (database) => {
        const reads = createInvoiceReads({ database, tenancy, clock, partitions });
        return Promise.all(
          TENANTS.map(async (tenantId) => {
            const { lines = [] } = (await reads.upcoming(context, tenantId)) ?? {};
            const shown = lines.map(({ amount, adjusts, ...line }) => ({
              ...{ ...line, amount: amount.amount },
              adjusts: adjusts && { ...adjusts, periodStart: new Date(adjusts.periodStart).toISOString() },
            }));
            return { tenantId, lines: shown };
          }),
        );
      }),
    /** What a rebuild of everything, and the verification of each invoice, find to differ. */
    rederived: (): Promise<string[]> =>
      asked(async (database, ledger) => {
        const wrong: string[] = [];
        const options = { database, tenancy, ledger, clock, partitions, migrationsDir: migrationsDirOf("billing") };
        const onError = (error: unknown): void => void wrong.push(`a rebuild failed: ${String(error)}`);
        for await (const step of rebuild({ ...options, onError }, { tenantId: undefined, checkOnly: true }))
          if (step.kind === "compared" && step.comparison.difference !== undefined) wrong.push(textOf(step.comparison));
        const { rows } = await database.pool.query<Stored>(STORED);
        const verifier = createInvoiceVerifier({ ledger, tenancy, partitions });
        for (const stored of rows) {
          const { matches, differences } = await verifier.verify(stored);
          if (!matches)
            wrong.push(`invoice ${stored.ordinal} of ${stored.tenantId} is verified as: ${differences.join("; ")}`);
        }
        return wrong;
      }),
  };
}

/** Where they begin to differ: an invoice is long. */
function textOf({ name, difference: { key, live, rebuilt } = { key: "", live: "", rebuilt: "" } }: Comparison): string {
  const texts = [live ?? "nothing", rebuilt ?? "nothing"];
  const at = Math.max(0, [...(texts[0] ?? "")].findIndex((one, index) => one !== texts[1]?.[index]) - SHOWN / 2);
  const [was, is] = texts.map((text) => text.slice(at, at + SHOWN));
  return `${name} of ${key}: live is ${was}, rebuilt is ${is}`;
}

const SHOWN = 80;

interface Stored {
  readonly tenantId: string;
  readonly ordinal: number;
  readonly periodStart: number;
  readonly sha256: string;
  readonly document: string;
  readonly generatedAt: number;
}
const STORED = `SELECT tenant_id AS "tenantId", ordinal, period_start AS "periodStart", sha256, document, generated_at AS "generatedAt"
  FROM invoice ORDER BY tenant_id, ordinal`;
