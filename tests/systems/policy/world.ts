import { randomBytes } from "node:crypto";
import { HOUR_MS } from "#kernel/duration.js";
import { waitFor } from "../../servers/servers.js";
import { ask, type Loose, type Operation, postEvents } from "../../support/client.js";
import { graphql } from "../../support/graphql/index.js";
import * as operations from "../whole-path/world.js";
import { ASKERS, type Asker, type IssueToken } from "./askers.js";

const EVENT = graphql(`
  query PolicyEvent($t: ID!, $s: String!, $i: String!) {
    event(tenantId: $t, source: $s, id: $i) { status }
    quarantinedEvents(tenantId: $t, first: 200) { nodes { id status } }
  }
`);
const ARCHIVE_METER = graphql(`mutation ArchivePolicyMeter($key: String!) { archiveMeter(key: $key) { key } }`);
const TEST_DELIVERY = graphql(`
  mutation PolicyTestDelivery($endpointId: ID!) { sendTestWebhook(endpointId: $endpointId) { id } }
`);

const GRANT = graphql(`mutation PolicyGrant($input: GrantCreditsInput!) { grantCredits(input: $input) { id } }`);

/** A running Metrly with its gateway. */
export interface PolicySystem {
  readonly url: string;
  readonly adminToken: string;
  /** With the key of that Metrly's issuer. */
  readonly issueToken: IssueToken;
}

/** Ids for operations: of one tenant, or of none. */
export interface Things {
  readonly tenantId: string;
  readonly keyId: string;
  readonly endpointId: string;
  readonly deliveryId: string;
  readonly invoiceId: string;
  readonly grantId: string;
  readonly eventId: string;
  readonly quarantinedId: string;
  readonly planId: string;
  readonly meterKey: string;
  /** Not used yet. */
  readonly newId: string;
}

export interface PolicyWorld {
  readonly system: PolicySystem;
  /** The tenant of bound callers, another one, and one that does not exist. */
  readonly own: Things;
  readonly other: Things;
  readonly missing: Things;
  /** Undefined: an anonymous caller. */
  tokenOf(asker: Asker): string | undefined;
  readonly make: Maker;
}

export const SOURCE = "policy";
export const periodStart = (): string => new Date(operations.lastMonth(Date.now()).startMs).toISOString();
const freshId = (): string => `p${randomBytes(5).toString("hex")}`;

/** Creates entities as the platform's admin. */
export type Maker = ReturnType<typeof maker>;

export async function createPolicyWorld(system: PolicySystem): Promise<PolicyWorld> {
  const run = freshId();
  const eventType = `${run}.call`;
  const make = maker(system, eventType);
  const catalogue = { planId: `${run}-plan`, meterKey: `${run}_calls` };
  await make.meter(catalogue.meterKey, eventType);
  await make.plan(catalogue.planId, catalogue.meterKey);
  await make.ingestKey();
  const own = { ...(await thingsOf(make, `${run}-own`, catalogue.planId)), ...catalogue };
  const other = { ...(await thingsOf(make, `${run}-other`, catalogue.planId)), ...catalogue };
  const tokens = new Map<string, string>();
  for (const asker of ASKERS) {
    const token = await tokenFor(system, make, asker, own.tenantId);
    if (token !== undefined) tokens.set(asker.name, token);
  }
  return { system, own, other, missing: missingLike(other, run), tokenOf: ({ name }) => tokens.get(name), make };
}

/** Ids that look like the other tenant's but do not exist. */
function missingLike(other: Things, run: string): Things {
  const tenantId = `${run}-nobody`;
  const altered = (id: string) => `${id.slice(0, -4)}0000`;
  return {
    ...other,
    tenantId,
    keyId: altered(other.keyId),
    endpointId: altered(other.endpointId),
    deliveryId: altered(other.deliveryId),
    invoiceId: other.invoiceId.replace(other.tenantId, tenantId),
  };
}

async function thingsOf(make: Maker, id: string, planId: string): Promise<Omit<Things, "planId" | "meterKey">> {
  const tenantId = await make.tenant(id, planId);
  const [eventId, quarantinedId] = [await make.event(tenantId), await make.quarantined(tenantId)];
  const endpointId = await make.endpoint(tenantId);
  return {
    tenantId,
    eventId,
    quarantinedId,
    endpointId,
    keyId: (await make.key({ tenantId, scopes: ["ADMIN"] })).id,
    deliveryId: await make.delivery(endpointId),
    invoiceId: await make.invoice(tenantId),
    grantId: await make.grant(tenantId),
    newId: freshId(),
  };
}

async function tokenFor(
  system: PolicySystem,
  make: Maker,
  asker: Asker,
  tenantId: string,
): Promise<string | undefined> {
  const { credential } = asker;
  if (credential.kind === "none") return undefined;
  if (credential.kind === "admin-token") return system.adminToken;
  if (credential.kind === "token")
    return system.issueToken({ subject: asker.name, roles: credential.roles, tenantId, expiresInSeconds: 3_600 });
  const { secret } = await make.key({
    ...(asker.bound ? { tenantId } : { platform: true }),
    scopes: credential.scopes,
  });
  await waitFor(async () => ask(system.url, secret, "{ viewer { id } }"), { what: `the ${asker.name} to be known` });
  return secret;
}

function maker({ url, adminToken }: PolicySystem, eventType: string) {
  const run = <Result, Variables>(query: Operation<Result, Variables>, variables: Loose<NoInfer<Variables>>) =>
    ask(url, adminToken, query, variables);
  let ingestKey = "";

  async function post(tenantId: string, id: string, data: object): Promise<void> {
    const time = new Date(operations.lastMonth(Date.now()).acceptedFromMs + HOUR_MS).toISOString();
    const event = { specversion: "1.0", id, source: SOURCE, type: eventType, subject: tenantId, time, data };
    await waitFor(async () => (await postEvents(url, ingestKey, [event])).status === 202, {
      what: "an event to be taken",
    });
  }
  async function untilEvent(tenantId: string, id: string, status: string): Promise<void> {
    await waitFor(
      async () => {
        const found = await run(EVENT, { t: tenantId, s: SOURCE, i: id });
        if (status === "QUARANTINED") return found.quarantinedEvents.nodes.some((node) => node.id === id);
        return found.event?.status === status;
      },
      { what: `the event ${id} to be ${status}` },
    );
  }

  return {
    newId: freshId,
    async meter(key: string, type: string = freshId()) {
      await run(operations.CREATE_METER, { input: { key, name: key, eventType: type, aggregation: "COUNT" } });
      return key;
    },
    async archivedMeter(key: string) {
      await this.meter(key);
      await run(ARCHIVE_METER, { key });
      return key;
    },
    async plan(id: string, meter: string) {
      const version = { currency: "EUR", prices: [{ meter, model: "PER_UNIT", unitAmount: "1" }] };
      await run(operations.CREATE_PLAN, { input: { id, name: id, version } });
      return id;
    },
    async tenant(id: string, planId?: string) {
      const startsAt = new Date(operations.lastMonth(Date.now()).acceptedFromMs).toISOString();
      await run(operations.CREATE_TENANT, {
        input: { id, name: id, startsAt, ...(planId !== undefined && { planId }) },
      });
      return id;
    },
    async key(input: { tenantId?: string; platform?: boolean; scopes: readonly string[] }) {
      const issued = await run(operations.ISSUE_KEY, { input: { name: "policy", ...input } });
      return { secret: issued.issueApiKey.secret, id: issued.issueApiKey.apiKey.id };
    },
    async ingestKey() {
      ingestKey = (await this.key({ platform: true, scopes: ["INGEST"] })).secret;
    },
    async event(tenantId: string) {
      const id = freshId();
      await post(tenantId, id, { n: 1 });
      await untilEvent(tenantId, id, "RECORDED");
      return id;
    },
    async quarantined(tenantId: string) {
      const id = freshId();
      await post(tenantId, id, { n: 1 });
      await untilEvent(tenantId, id, "RECORDED");
      await post(tenantId, id, { n: 2 });
      await untilEvent(tenantId, id, "QUARANTINED");
      return id;
    },
    async endpoint(tenantId: string) {
      const created = await run(operations.CREATE_ENDPOINT, {
        input: { tenantId, url: "https://metrly.invalid/hook", eventTypes: ["invoice.generated"] },
      });
      return created.createWebhookEndpoint.endpoint.id;
    },
    async delivery(endpointId: string) {
      return (await run(TEST_DELIVERY, { endpointId })).sendTestWebhook.id;
    },
    async grant(tenantId: string) {
      return (await run(GRANT, { input: { tenantId, amount: "1", reason: "policy" } })).grantCredits.id;
    },
    async invoice(tenantId: string) {
      await run(operations.CLOSE_PERIOD, { tenantId, periodStart: periodStart() });
      const [invoice] = await waitFor(
        async () => {
          const invoices = await operations.invoicesOf(url, adminToken, tenantId);
          return invoices.length > 0 ? invoices : undefined;
        },
        { what: `the invoice of ${tenantId}` },
      );
      if (invoice === undefined) throw new Error("no invoice");
      return invoice.id;
    },
  };
}
