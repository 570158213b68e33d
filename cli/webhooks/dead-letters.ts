import { maskedUrl } from "#kernel/masked-url.js";
import type { Env } from "#platform/process/config.js";
import { asTyped } from "../as-typed.js";
import { askGraph, type Connection, type ConnectionOptions, findConnection } from "../connection/connection.js";
import { naming } from "../connection/failure.js";
import type { DeadLettersQuery } from "../graphql/graphql.js";
import { graphql } from "../graphql/index.js";
import { type Endpoint, endpointsAdvice, endpointsOf, type OwnerOptions, ownerOf } from "./owner.js";

type DeadLetters = NonNullable<DeadLettersQuery["tenant"]>["webhookEndpoints"][number]["deliveries"];
type Delivery = DeadLetters["nodes"][number];

const DEAD = graphql(`
  query DeadLetters($tenantId: ID!, $after: Cursor) {
    tenant(id: $tenantId) {
      webhookEndpoints {
        id
        deliveries(first: 200, after: $after, status: DEAD) {
          nodes { id eventId eventType deadReason attempts { at responseStatus error } }
          pageInfo { hasNextPage endCursor }
        }
      }
    }
  }
`);
const DEAD_OF_PLATFORM = graphql(`
  query PlatformDeadLetters($after: Cursor) {
    platformWebhookEndpoints {
      id
      deliveries(first: 200, after: $after, status: DEAD) {
        nodes { id eventId eventType deadReason attempts { at responseStatus error } }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
`);
const REPLAY = graphql(`
  mutation Replay($id: ID!) { replayWebhookDelivery(id: $id) { id status } }
`);
const REPLAY_ALL = graphql(`
  mutation ReplayAll($endpointId: ID!) { replayDeadLetters(endpointId: $endpointId) }
`);

export interface DeadLettersOptions extends ConnectionOptions, OwnerOptions {
  readonly json?: boolean;
}

/** `metrly webhooks dead`: every dead letter of the endpoints of a tenant or the operators, with its reason. */
export async function listDeadLetters(options: DeadLettersOptions, env: Env): Promise<void> {
  const connection = await findConnection(options, env);
  let count = 0;
  for (const endpoint of await endpointsOf(connection, options)) {
    for await (const delivery of deadOf(connection, options, endpoint.id)) {
      count += 1;
      const view = { ...delivery, endpointId: endpoint.id, url: maskedUrl(endpoint.url) };
      process.stdout.write(`${options.json ? JSON.stringify(view) : describe(delivery, endpoint)}\n`);
    }
  }
  if (options.json) return;
  process.stderr.write(
    count === 0
      ? `No dead letters of ${options.tenant ?? "the operators"}.\n`
      : `${count} dead ${count === 1 ? "letter" : "letters"}. Replay one: ${asTyped("webhooks replay ID")}\nAll of an endpoint: ${asTyped("webhooks replay --endpoint ID")}\n`,
  );
}

/** A cursor belongs to one endpoint's list: each is read to its end. */
async function* deadOf(connection: Connection, owner: OwnerOptions, endpointId: string): AsyncGenerator<Delivery> {
  for (let after: string | null = null; ; ) {
    const endpoints = await pagesAfter(connection, owner, after);
    const page: DeadLetters | undefined = endpoints.find(({ id }) => id === endpointId)?.deliveries;
    if (page === undefined) return;
    yield* page.nodes;
    if (!page.pageInfo.hasNextPage) return;
    after = page.pageInfo.endCursor;
  }
}

async function pagesAfter(
  connection: Connection,
  options: OwnerOptions,
  after: string | null,
): Promise<readonly { readonly id: string; readonly deliveries: DeadLetters }[]> {
  const owner = ownerOf(options);
  if ("platform" in owner) return (await askGraph(connection, DEAD_OF_PLATFORM, { after })).platformWebhookEndpoints;
  return (await askGraph(connection, DEAD, { ...owner, after })).tenant?.webhookEndpoints ?? [];
}

function describe(
  { id, eventType, eventId, deadReason, attempts }: Delivery,
  { id: endpointId, url }: Endpoint,
): string {
  const last = attempts.at(-1);
  const times = `${attempts.length} ${attempts.length === 1 ? "attempt" : "attempts"}`;
  const lines = [
    `${id}  ${eventType}`,
    `event    ${eventId}`,
    `to       ${maskedUrl(url)}, ${endpointId}`,
    `reason   ${deadReason ?? "none recorded"}`,
    `tried    ${times}${last === undefined ? "" : `, last ${last.at}`}`,
  ];
  return lines.join("\n  ");
}

/** `metrly webhooks replay`: one delivery, or every dead letter of an endpoint, oldest first. */
export async function replayDeadLetters(
  id: string | undefined,
  options: ConnectionOptions & { readonly endpoint?: string; readonly json?: boolean },
  env: Env,
): Promise<void> {
  const connection = await findConnection(options, env);
  const print = (view: object, text: string) => process.stdout.write(`${options.json ? JSON.stringify(view) : text}\n`);
  if (options.endpoint !== undefined) {
    const { replayDeadLetters: replayed } = await naming(
      `webhook endpoint ${options.endpoint}`,
      endpointsAdvice(),
      askGraph(connection, REPLAY_ALL, { endpointId: options.endpoint }),
    );
    print({ replayed }, `${replayed} replayed`);
  } else if (id !== undefined) {
    await naming(
      `webhook delivery ${id}`,
      `Dead letters: ${asTyped("webhooks dead --tenant ID")}`,
      askGraph(connection, REPLAY, { id }),
    );
    print({ replayed: 1 }, `${id} is scheduled again`);
  }
}
