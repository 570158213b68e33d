import { monotonicMs, nowMs, timeoutSignal } from "#platform/lifecycle/time.js";
import { askGraph, type Connection } from "../connection/connection.js";
import { NoResponse } from "../connection/failure.js";
import type { WatchedTenantsQuery } from "../graphql/graphql.js";
import { graphql } from "../graphql/index.js";
import { present } from "../show/print.js";
import { type Counters, readCounters } from "./counters.js";

const TENANTS = graphql(`
  query WatchedTenants($first: Int!) {
    tenants(first: $first) { nodes { ...Watched } pageInfo { hasNextPage } }
  }
  fragment Watched on Tenant {
    id status
    accounting { accepted inFlight quarantined }
    quotas { state used reserved limit { meter unit currency window kind limit } }
  }
`);
const TENANT = graphql(`
  query WatchedTenant($tenantId: ID!) { tenant(id: $tenantId) { ...Watched } }
`);

export type WatchedTenant = WatchedTenantsQuery["tenants"]["nodes"][number];

/** Tenants on one screen; `--tenant` shows any other. */
export const MOST_TENANTS = 20;
/** An answer that takes longer counts as none. */
export const ANSWER_MS = 5_000;

/** What a running Metrly says at one moment. */
export interface Look {
  /** Epoch ms. */
  readonly at: number;
  /** For rates; ms of a clock that never jumps. */
  readonly monotonicMs: number;
  readonly isReady: boolean;
  readonly tenants: readonly WatchedTenant[];
  /** There are more than are shown. */
  readonly hasMore: boolean;
  /** Of this and all other tenants; undefined: no metrics listener answers. */
  readonly counters: Counters | undefined;
}

export interface Watched {
  readonly connection: Connection;
  readonly metricsUrls: readonly string[];
  /** Only this tenant. */
  readonly tenantId?: string | undefined;
}

/** Asks for all that the screen shows. Throws `NoResponse`, or `UserError` with the code of a refusal. */
export async function look({ connection, metricsUrls, tenantId }: Watched): Promise<Look> {
  const [answer, counters, isReady] = await Promise.all([
    tenantsOf(connection, tenantId),
    countersOf(metricsUrls),
    readiness(connection.url),
  ]);
  return { at: nowMs(), monotonicMs: monotonicMs(), isReady, ...answer, counters };
}

async function tenantsOf(
  connection: Connection,
  tenantId: string | undefined,
): Promise<Pick<Look, "tenants" | "hasMore">> {
  if (tenantId !== undefined)
    return {
      tenants: [present((await askGraph(connection, TENANT, { tenantId })).tenant, tenantId)],
      hasMore: false,
    };
  const { tenants } = await askGraph(connection, TENANTS, { first: MOST_TENANTS });
  return { tenants: tenants.nodes, hasMore: tenants.pageInfo.hasNextPage };
}

/** Every listener must answer: a part of the sums would look like a fall. */
async function countersOf(urls: readonly string[]): Promise<Counters | undefined> {
  try {
    return readCounters((await Promise.all(urls.map(textOf))).join("\n"));
  } catch {
    return undefined;
  }
}

async function textOf(url: string): Promise<string> {
  const response = await fetch(url, { signal: timeoutSignal(ANSWER_MS) });
  if (!response.ok) throw new NoResponse(`${url} answers ${response.status}.`);
  return response.text();
}

const readiness = (url: string): Promise<boolean> =>
  fetch(`${url}/readyz`, { signal: timeoutSignal(ANSWER_MS) }).then(
    ({ ok }) => ok,
    () => false,
  );
