import type { Judged } from "../judge/judged.js";
import { recordedOf } from "../judge/recorded.js";
import { centsFor, periodOf } from "../judge/usage.js";
import { type CreditHistory, type GrantRequest, grantKeyOf } from "../terms/credits.js";
import { GRACE_DAYS, OTHER_LANES, STARTS_AT, TENANTS } from "../terms/terms.js";
import { type BookEntry, type BookedGrant, type Books, openBooks, periodAfter } from "./books.js";

interface ControlRow {
  readonly partition: number;
  readonly seq: number;
  readonly kind: "tick" | "creditGrant" | "creditVoid";
  readonly tenant: string | null;
  readonly data: string;
}

const CONTROLS = `SELECT partition, seq::float8 AS seq, kind, tenant_id AS tenant, data FROM ledger
  WHERE kind IN ('tick', 'creditGrant', 'creditVoid') ORDER BY partition, seq`;
const PARTITIONS =
  "SELECT DISTINCT ON (tenant_id) tenant_id AS tenant, partition FROM ledger WHERE tenant_id IS NOT NULL";
const GRACE_MS = GRACE_DAYS * 86_400_000;

interface GrantData {
  readonly grantId: string;
  readonly amount: string;
  readonly priority: number;
  readonly expiresAt: number | null;
  readonly at: number;
}

const centsOfText = (text: string): number => Math.round(Number(text) * 100);

/** The ledger's entries of each tenant, in its order. */
async function entriesOf(judged: Judged): Promise<ReadonlyMap<string, readonly BookEntry[]>> {
  const controls = await judged.ingestion<ControlRow>(CONTROLS);
  const partitions = await judged.ingestion<{ tenant: string; partition: number }>(PARTITIONS);
  const recorded = await recordedOf(judged);
  return new Map(
    partitions.map(({ tenant, partition }) => {
      const ofTenant = controls.filter((one) => one.partition === partition && (one.tenant ?? tenant) === tenant);
      const usage = recorded.filter(({ event }) => event.tenantId === tenant);
      const entries = [
        ...ofTenant.map(({ kind, seq, data }): BookEntry => {
          const { grantId: id, amount, priority, expiresAt, at }: GrantData = JSON.parse(data);
          if (kind === "tick") return { kind: "tick", seq, at };
          if (kind === "creditVoid") return { kind: "void", seq, at, id };
          return { kind: "grant", seq, at, id, cents: centsOfText(amount), priority, expiresAt };
        }),
        ...usage.map(({ seq, event, isVoid }): BookEntry => ({ kind: "usage", seq: Number(seq), event, isVoid })),
      ];
      return [tenant, entries.sort((a, b) => a.seq - b.seq)];
    }),
  );
}

interface GrantRow {
  readonly key: string;
  readonly amount: string;
  readonly drawn: string;
  readonly isVoided: boolean;
  readonly seq: number;
}

const GRANTS = `SELECT tenant_id || ' ' || grant_id AS key, amount::text, drawn::text, void_seq IS NOT NULL AS "isVoided", seq::float8 AS seq
  FROM credit_grant`;
const DRAWS = `SELECT tenant_id || ' ' || period_start || ' ' || grant_id AS key, sum(amount)::text AS amount FROM credit_draw
  GROUP BY 1 HAVING sum(amount) <> 0`;

/** What must be true when everything is processed: credits are what the ledger's order makes of them, and what was answered. */
export async function judgeCreditsAtRest(judged: Judged, history: CreditHistory): Promise<string[]> {
  const { billing, planOf } = judged;
  const wrong: string[] = [];
  const found = new Map((await billing<GrantRow>(GRANTS)).map((row) => [row.key, row]));
  const draws = new Map(
    (await billing<{ key: string; amount: string }>(DRAWS)).map(({ key, amount }) => [key, amount]),
  );
  const entries = await entriesOf(judged);
  for (const tenantId of TENANTS) {
    const books = openBooks(planOf, tenantId);
    const periods = new Set<number>();
    for (const entry of entries.get(tenantId) ?? []) {
      books.take(entry);
      periods.add(periodOf(entry.kind === "usage" ? entry.event.time : entry.at));
    }
    for (const grant of books.grants()) {
      const key = `${tenantId} ${grant.id}`;
      const row = found.get(key);
      found.delete(key);
      const is = row && [centsOfText(row.amount), centsOfText(row.drawn), row.isVoided, row.seq].join(" ");
      const wanted = [grant.cents, grant.drawn, grant.isVoided, grant.seq].join(" ");
      if (is !== wanted) wrong.push(`grant ${key} is ${is}, the ledger makes it ${wanted} (cents, drawn, voided, seq)`);
      for (const period of periods) {
        const drawn = books.paidFor(period).get(grant.id) ?? 0;
        const ofPeriod = `${tenantId} ${period} ${grant.id}`;
        const was = centsOfText(draws.get(ofPeriod) ?? "0");
        draws.delete(ofPeriod);
        if (was !== drawn) wrong.push(`${ofPeriod} drew ${was}, the ledger makes it ${drawn}`);
      }
    }
    wrong.push(...answeredWrongly(history, tenantId, books.grants()));
  }
  for (const key of found.keys()) wrong.push(`grant ${key} is not in the ledger`);
  for (const key of draws.keys()) wrong.push(`${key} drew what the ledger does not say`);
  return wrong;
}

const isSame = (a: GrantRequest | BookedGrant, b: GrantRequest): boolean =>
  a.cents === b.cents && a.priority === b.priority && a.expiresAt === b.expiresAt;

/** Whether grants are what was asked for and answered. */
function answeredWrongly(history: CreditHistory, tenantId: string, grants: readonly BookedGrant[]): string[] {
  const wrong: string[] = [];
  const known = new Map(grants.map((grant) => [grantKeyOf({ tenantId, id: grant.id }), grant]));
  for (const [key, grant] of known) {
    if (!history.asked.get(key)?.some((asked) => isSame(grant, asked))) wrong.push(`nobody asked for grant ${key}`);
    if (grant.isVoided && !history.voids.has(key)) wrong.push(`grant ${key} is void and was not taken back`);
    if (history.voids.get(key) === true && !grant.isVoided) wrong.push(`grant ${key} was taken back and is not void`);
  }
  for (const one of history.granted.filter((asked) => asked.tenantId === tenantId)) {
    const grant = known.get(grantKeyOf(one));
    if (grant === undefined || !isSame(grant, one)) wrong.push(`${JSON.stringify(one)} was granted and is not so`);
  }
  for (const one of history.refused.filter((asked) => asked.tenantId === tenantId)) {
    const grant = known.get(grantKeyOf(one));
    if (grant === undefined || isSame(grant, one)) wrong.push(`${JSON.stringify(one)} was refused for another grant`);
  }
  return wrong;
}

interface Announcement {
  readonly type: string;
  readonly subject: string;
  readonly data: { readonly grantId?: string; readonly amount?: string };
}

/** What must be true when nothing waits to be announced: each grant and each void is, with its amount. */
export async function judgeAnnouncedCredits(judged: Judged): Promise<string[]> {
  const entries = await entriesOf(judged);
  const told = new Set(
    judged.announced().flatMap((text) => {
      const { type, subject, data }: Announcement = JSON.parse(text);
      const what = /^metrly\.credits\.(granted|voided)\./.exec(type)?.[1];
      return what === undefined ? [] : [`${what} ${subject} ${data.grantId} ${centsOfText(data.amount ?? "")}`];
    }),
  );
  const due = new Set(
    [...entries].flatMap(([tenantId, ofTenant]) => {
      const books = openBooks(judged.planOf, tenantId);
      for (const entry of ofTenant) books.take(entry);
      return books
        .grants()
        .flatMap(({ id, cents, isVoided, leftAtVoid }) => [
          `granted ${tenantId} ${id} ${cents}`,
          ...(isVoided ? [`voided ${tenantId} ${id} ${leftAtVoid}`] : []),
        ]);
    }),
  );
  return [
    ...[...due].flatMap((one) => (told.has(one) ? [] : [`not announced: ${one}`])),
    ...[...told].flatMap((one) => (due.has(one) ? [] : [`announced: ${one}`])),
  ];
}

/** A tenant's credits as the product shows them, in cents. */
export interface ShownCredits {
  readonly tenantId: string;
  readonly at: number;
  readonly granted: number;
  readonly drawn: number;
  readonly expired: number;
  readonly voided: number;
  readonly available: number;
}

/** What is shown of credits at a moment at rest. */
export async function judgeShownCredits(judged: Judged, shown: readonly ShownCredits[]): Promise<string[]> {
  const entries = await entriesOf(judged);
  return shown.flatMap((one) => {
    const { tenantId, at } = one;
    const books = openBooks(judged.planOf, tenantId);
    for (const entry of entries.get(tenantId) ?? []) books.take(entry);
    const sum = (of: (grant: BookedGrant) => number) => books.grants().reduce((total, grant) => total + of(grant), 0);
    const rest = ({ cents, drawn }: BookedGrant) => cents - drawn;
    const due = {
      granted: sum(({ cents }) => cents),
      drawn: sum(({ drawn }) => drawn),
      expired: sum((grant) => (!grant.isVoided && grant.ends <= at ? rest(grant) : 0)),
      voided: sum((grant) => (grant.isVoided ? rest(grant) : 0)),
      available: sum((grant) => (!grant.isVoided && grant.ends > at ? rest(grant) : 0)),
    };
    const textOf = (of: typeof due) => [of.granted, of.drawn, of.expired, of.voided, of.available].join(" ");
    if (textOf(one) === textOf(due) && due.granted === due.drawn + due.expired + due.voided + due.available) return [];
    return [
      `${tenantId} is shown ${textOf(one)} of credits, not ${textOf(due)} (granted, drawn, expired, voided, available)`,
    ];
  });
}

export interface DocumentLine {
  readonly kind: string;
  readonly meter: string | null;
  readonly dimensions: readonly { readonly value: string }[];
  readonly quantity: string;
  readonly amount: string;
  readonly grantId?: string | null;
  /** `kind`: of the line that it adjusts; previews do not say it. */
  readonly adjusts: { readonly kind?: string; readonly periodStart: string; readonly quantityBefore: string } | null;
}

interface InvoiceRow {
  readonly tenant: string;
  readonly ordinal: number;
  readonly start: number;
  readonly watermark: number;
  readonly document: string;
}

const INVOICES = `SELECT i.tenant_id AS tenant, i.ordinal, i.period_start::float8 AS start, p.watermark::float8 AS watermark, i.document
  FROM invoice i JOIN billing_period p ON p.tenant_id = i.tenant_id AND p.start_at = i.period_start ORDER BY 1, 2`;

const invoicesOf = ({ billing }: Pick<Judged, "billing">): Promise<InvoiceRow[]> => billing<InvoiceRow>(INVOICES);

/** Names a line: what it is for, of its own period or an earlier one. */
function keyOf({ kind, meter, dimensions, grantId, adjusts }: DocumentLine): string {
  const of = kind === "ADJUSTMENT" ? (adjusts?.kind ?? "") : kind;
  return [of, meter ?? "", dimensions.map(({ value }) => value).join(), grantId ?? ""].join("/");
}

/**
 * After each invoice, what all invoices together say of each period up to its own is what the ledger up to its watermark makes of it; and
 * each watermark is the first tick after the grace time.
 */
export async function judgeEachInvoice(judged: Judged): Promise<string[]> {
  const entries = await entriesOf(judged);
  const invoices = await invoicesOf(judged);
  const wrong: string[] = [];
  for (const tenantId of TENANTS) {
    const books = openBooks(judged.planOf, tenantId);
    const ofTenant = entries.get(tenantId) ?? [];
    const ends = endsOf(ofTenant);
    const stated = new Map<string, number>();
    let taken = 0;
    for (const { start, watermark, document, ordinal } of invoices.filter(({ tenant }) => tenant === tenantId)) {
      const what = `invoice ${ordinal} of ${tenantId}`;
      if (ends.get(start) !== watermark)
        wrong.push(`${what} ends at ${watermark}, its grace time at ${ends.get(start)}`);
      for (; taken < ofTenant.length; taken += 1) {
        const entry = ofTenant[taken];
        if (entry === undefined || entry.seq > watermark) break;
        books.take(entry);
      }
      const { lines, total }: { readonly lines: readonly DocumentLine[]; readonly total: string } =
        JSON.parse(document);
      let sum = 0;
      for (const line of lines) {
        const of = line.adjusts === null ? start : Date.parse(line.adjusts.periodStart);
        if ((line.kind === "ADJUSTMENT") !== of < start) wrong.push(`${what} has ${line.kind} of ${of}`);
        const key = `${of} ${keyOf(line)}`;
        stated.set(key, (stated.get(key) ?? 0) + centsOfText(line.amount));
        sum += centsOfText(line.amount);
      }
      if (sum !== centsOfText(total)) wrong.push(`${what} has lines of ${sum} and a total of ${total}`);
      const due = new Map<string, number>();
      for (let period = STARTS_AT; period <= start; period = periodAfter(period))
        for (const [key, cents] of dueOf(judged, tenantId, books, period)) due.set(`${period} ${key}`, cents);
      for (const key of new Set([...due.keys(), ...stated.keys()]))
        if ((due.get(key) ?? 0) !== (stated.get(key) ?? 0))
          wrong.push(`up to ${what}, ${key} is invoiced with ${stated.get(key) ?? 0} cents of ${due.get(key) ?? 0}`);
    }
  }
  return wrong;
}

/** By start of a period: the first tick at which its grace time is over. */
function endsOf(entries: readonly BookEntry[]): ReadonlyMap<number, number> {
  const ends = new Map<number, number>();
  let open = STARTS_AT;
  for (const entry of entries)
    while (entry.kind === "tick" && periodAfter(open) + GRACE_MS <= entry.at) {
      ends.set(open, entry.seq);
      open = periodAfter(open);
    }
  return ends;
}

/** The lines of a period by what the books have by now. */
function dueOf({ planOf }: Judged, tenantId: string, books: Books, period: number): Map<string, number> {
  const plan = planOf(tenantId, period);
  const usage = books.usageOf(period);
  const due = new Map<string, number>();
  let sum = 0;
  for (const price of plan.prices) {
    const lane = price.lane === undefined || price.lane === OTHER_LANES ? "" : price.lane;
    const cents = centsFor(plan, price, usage);
    due.set(["USAGE", price.meter, lane, ""].join("/"), cents);
    sum += cents;
  }
  due.set("RECURRING///", plan.fee);
  due.set("MINIMUM_COMMIT///", Math.max(0, plan.commit - sum));
  for (const [id, cents] of books.paidFor(period)) due.set(`CREDIT///${id}`, -cents);
  return due;
}

/** Whether each tenant's invoice of a period says what was previewed when all its usage was there. */
export async function judgePreviews(
  judged: Judged,
  previewed: readonly { readonly tenantId: string; readonly lines: readonly DocumentLine[] }[],
  period: number,
): Promise<string[]> {
  const invoices = await invoicesOf(judged);
  return previewed.flatMap(({ tenantId, lines }) => {
    const invoice = invoices.find(({ tenant, start }) => tenant === tenantId && start === period);
    const stated: { readonly lines: readonly DocumentLine[] } = JSON.parse(invoice?.document ?? '{"lines":[]}');
    const [was, is] = [textsOf(lines), textsOf(stated.lines)];
    return was === is ? [] : [`the preview of ${tenantId} was not its invoice:\n${was}\nis not\n${is}`];
  });
}

/** In any order. */
const textsOf = (lines: readonly DocumentLine[]): string =>
  lines
    .map(({ kind, meter, dimensions, grantId, quantity, amount, adjusts }) => {
      const of = [adjusts?.periodStart, kind, meter, dimensions.map(({ value }) => value).join(), grantId];
      return [...of.map((one) => one ?? ""), quantity, amount, adjusts?.quantityBefore ?? ""].join("/");
    })
    .sort()
    .join("\n");
