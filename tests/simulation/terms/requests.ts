/** What clients send, and are answered. */

export interface SentEvent {
  readonly tenantId: string;
  readonly source: string;
  readonly id: string;
  readonly type: string;
  readonly time: number;
  readonly amount: number;
  /** Past usage: it counts in billing periods, and raises no alert. */
  readonly isImport: boolean;
}

export interface QuotaRequest {
  readonly operation: "check" | "consume" | "release";
  readonly tenantId: string;
  /** Null: counts as a request only. */
  readonly meter: string | null;
  readonly amount: number;
  /** By default, that of the amount. */
  readonly lane?: string;
  readonly key: string;
  readonly ttlMs: number;
}

export type QuotaAnswer =
  | { readonly allowed: boolean; readonly reason: string; readonly expiresAt: number | null }
  | { readonly released: boolean };

/** Resolves when the events are accepted; rejects when they may not be. */
export type Receive = (events: readonly SentEvent[]) => Promise<void>;

/** Resolves when it is certain that the event, which was accepted before, counts no more. */
export type Withdraw = (event: SentEvent) => Promise<void>;

export type Ask = (request: QuotaRequest) => Promise<QuotaAnswer>;
