import { createClient } from "graphql-ws";
import { WebSocket } from "ws";
import { sleep } from "#platform/lifecycle/time.js";
import type { Connection } from "../connection/connection.js";
import { UserError } from "../connection/failure.js";
import type { AlertsSubscription } from "../graphql/graphql.js";
import { graphql } from "../graphql/index.js";

const ALERTS = graphql(`
  subscription Alerts($tenantId: ID!, $after: Cursor) {
    quotaAlerts(tenantId: $tenantId, after: $after) {
      cursor tenantId kind meter unit currency window dimensions { dimension value } windowStart threshold thresholdKind limit used at
    }
  }
`);

export type Alert = AlertsSubscription["quotaAlerts"];

/** The crossed threshold: a share of the limit, or an amount. */
export const crossedText = ({ threshold, thresholdKind }: Pick<Alert, "threshold" | "thresholdKind">): string =>
  thresholdKind === "AMOUNT" ? threshold : `${(Number(threshold) * 100).toFixed(0)} %`;

export interface AlertsFeed {
  /**
   * Follows a tenant's alerts after the cursor (or from now on): reconnects, and resumes from the last one, until `stop`. Throws
   * `UserError` when the server refuses.
   */
  follow(tenantId: string, after?: string): Promise<void>;
  stop(): void;
}

export interface AlertsFeedOptions {
  /** Asked at each attempt to connect: a Metrly that starts again may have another address. */
  connection(): Connection;
  onAlert(alert: Alert): void;
  /** The connection was lost, and is tried again. */
  onLost(): void;
}

const RECONNECT_MS = 1_000;

const codeOf = (extensions: { readonly code?: unknown } | undefined): string | undefined =>
  typeof extensions?.code === "string" ? extensions.code : undefined;

/** Live alerts of several tenants on one WebSocket. */
export function openAlertsFeed({ connection, onAlert, onLost }: AlertsFeedOptions): AlertsFeed {
  const ended = new AbortController();
  const client = createClient({
    url: () => `${connection().url.replace(/^http/, "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: () => ({ authorization: `Bearer ${connection().token}` }),
    retryAttempts: 0,
  });

  /** Returns the cursor to resume from. */
  async function once(tenantId: string, after: string | undefined): Promise<string | undefined> {
    let cursor = after;
    try {
      const query = ALERTS.toString();
      for await (const result of client.iterate<AlertsSubscription>({ query, variables: { tenantId, after } })) {
        const error = result.errors?.[0];
        if (error !== undefined) throw new UserError(error.message, codeOf(error.extensions));
        const alert = result.data?.quotaAlerts;
        if (alert === undefined) continue;
        cursor = alert.cursor;
        onAlert(alert);
      }
    } catch (error) {
      if (error instanceof UserError) throw error;
      if (!ended.signal.aborted) onLost();
    }
    return cursor;
  }

  return {
    async follow(tenantId, after) {
      for (let cursor = after; !ended.signal.aborted; await sleep(RECONNECT_MS, ended.signal))
        cursor = await once(tenantId, cursor);
    },
    stop() {
      ended.abort();
      void client.dispose();
    },
  };
}
