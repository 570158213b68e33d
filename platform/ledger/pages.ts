import { LEDGER_PAGE_LIMIT, type LedgerClient, type LedgerPage, type LedgerQuery } from "./client.js";

export interface LedgerRange extends Pick<LedgerQuery, "partition" | "tenantId"> {
  /** First and last `seq`. */
  readonly from: number;
  readonly to: number;
  /** Maximum entries per page: the client's limit unless given. */
  readonly limit?: number;
  /** Called before each page, for the query's `ticksFrom`. */
  ticksFrom?(): number;
  /** Whether to prefetch the next page. */
  readonly readsAhead?: boolean;
}

/** Reads a range of the ledger page by page, in order. Throws when the ledger lacks the next entry. */
export async function* ledgerPages(ledger: LedgerClient, range: LedgerRange): AsyncGenerator<LedgerPage> {
  const { partition, to, limit = LEDGER_PAGE_LIMIT, tenantId } = range;
  const read = (from: number): Promise<LedgerPage> =>
    ledger.read({
      ...{ partition, from, limit },
      ...(tenantId !== undefined && { tenantId }),
      ...(range.ticksFrom !== undefined && { ticksFrom: range.ticksFrom() }),
    });
  let ahead: Promise<LedgerPage> | undefined;
  for (let from = range.from; from <= to; ) {
    const { entries, nextSeq, headSeq } = await (ahead ?? read(from));
    if (nextSeq <= from) throw new Error(`the ledger of partition ${partition} does not hold ${from}`);
    from = nextSeq;
    if (range.readsAhead && from <= to) {
      ahead = read(from);
      // Its failure is thrown when its turn comes, unless the caller stops before.
      ahead.catch(() => undefined);
    }
    yield { entries: nextSeq > to + 1 ? entries.filter(({ seq }) => seq <= to) : entries, nextSeq, headSeq };
  }
}
