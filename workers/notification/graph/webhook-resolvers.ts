import { Arg, Args, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from "type-graphql";
import type { Clock } from "#kernel/clock.js";
import { MetrlyError, noSuch } from "#kernel/errors.js";
import { maskedUrl } from "#kernel/masked-url.js";
import { readSizeOf } from "#platform/graphql/answer-size.js";
import { batched } from "#platform/graphql/batched.js";
import { PageArguments } from "#platform/graphql/page-types.js";
import { listOfIds, type Page } from "#platform/graphql/pagination.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import type { Audit, AuditedChange } from "#platform/tenancy-client/audit-log.js";
import { knownTenant } from "#platform/tenancy-client/caught-up.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { authorize, type Identity, type Operation } from "#schema/policy.js";
import { hasEnded } from "#schema/vocabulary.js";
import type { DeliveryWorker } from "../delivery/deliver.js";
import { newWebhookSecret } from "../delivery/signing.js";
import { OPERATORS, toldTenant } from "../rules/operators.js";
import type { Delivery, DeliveryPage, DeliveryStatus, Endpoint, EndpointStore } from "../store/endpoints.js";
import type { DeliveryRef } from "../store/notices.js";
import {
  CreateWebhookEndpointInput,
  TenantType,
  UpdateWebhookEndpointInput,
  WebhookDeliveryConnectionType,
  WebhookDeliveryStatus,
  WebhookDeliveryType,
  WebhookEndpointType,
  WebhookEndpointWithSecretType,
} from "./types.js";
import { checkEventTypes, checkUrl, ownerOf, type TargetOptions } from "./webhook-input.js";

export interface WebhookGraphOptions extends TargetOptions {
  readonly endpoints: EndpointStore;
  readonly tenancy: TenancyCopy;
  readonly clock: Clock;
  readonly audit: Audit;
  enqueueNow: DeliveryWorker["enqueueNow"];
}

const DELIVERIES = listOfIds("delivery");
const DEFAULT_GRACE_SECONDS = 24 * 3600;
const MAX_GRACE_SECONDS = 7 * 24 * 3600;
/** Maximum deliveries that a replay sends at once; the sweeper finds the rest. */
const REPLAYED_AT_ONCE = 1_000;

@Resolver(() => TenantType)
export class TenantWebhooksResolver {
  private readonly endpointsOf;

  constructor({ endpoints }: Pick<WebhookGraphOptions, "endpoints">) {
    this.endpointsOf = batched((tenantIds: readonly string[], context) =>
      endpoints.listOf(tenantIds, readSizeOf(context).take),
    );
  }

  @FieldResolver(() => [WebhookEndpointType], { description: "Its endpoints; needs TENANT_ADMIN" })
  async webhookEndpoints(@Root() tenant: TenantType, @Ctx() context: SubgraphContext) {
    authorize(context.identity, "Tenant.webhookEndpoints", tenant.id);
    return this.endpointsOf(context, tenant.id);
  }
}

@Resolver()
export class PlatformWebhooksResolver {
  constructor(private readonly options: Pick<WebhookGraphOptions, "endpoints">) {}

  @Query(() => [WebhookEndpointType], { description: "The endpoints of the operators; only for PLATFORM_ADMIN" })
  async platformWebhookEndpoints(@Ctx() context: SubgraphContext): Promise<readonly Endpoint[]> {
    authorize(context.identity, "Query.platformWebhookEndpoints", OPERATORS);
    return (await this.options.endpoints.listOf([OPERATORS], readSizeOf(context).take)).flat();
  }
}

@Resolver(() => WebhookEndpointType)
export class WebhookEndpointResolver {
  private readonly deliveriesOf;

  constructor({ endpoints }: Pick<WebhookGraphOptions, "endpoints">) {
    this.deliveriesOf = batched((pages: readonly DeliveryPage[], context) =>
      endpoints.deliveriesOf(pages, readSizeOf(context).take),
    );
  }

  @FieldResolver(() => WebhookDeliveryConnectionType, { description: "Its deliveries, newest first" })
  async deliveries(
    @Root() endpoint: WebhookEndpointType,
    @Ctx() context: SubgraphContext,
    @Args(() => PageArguments) args: PageArguments,
    @Arg("status", () => WebhookDeliveryStatus, {
      nullable: true,
      description: "Only deliveries in this status; default: any",
    })
    status?: DeliveryStatus | null,
  ): Promise<Page<WebhookDeliveryType>> {
    const page = DELIVERIES.open(args, endpoint.id);
    const wanted = { endpoint, after: page.after, status: status ?? undefined, limit: page.take };
    return page.of(await this.deliveriesOf(context, wanted), (delivery) => delivery.id, deliveryView);
  }
}

@Resolver()
export class WebhookMutations {
  constructor(private readonly options: WebhookGraphOptions) {}

  @Mutation(() => WebhookEndpointWithSecretType, {
    description:
      "Creates an endpoint. The scheme of `url` selects the channel: webhook, mail or Slack. It gets what happens from now on. INVALID: the target is not allowed, or a type does not exist",
  })
  async createWebhookEndpoint(
    @Arg("input", () => CreateWebhookEndpointInput, { description: "The endpoint" }) input: CreateWebhookEndpointInput,
    @Ctx() { identity }: SubgraphContext,
  ): Promise<WebhookEndpointWithSecretType> {
    authorize(identity, "Mutation.createWebhookEndpoint");
    const owner = ownerOf(input);
    if (owner === OPERATORS) authorize(identity, "Query.platformWebhookEndpoints", owner);
    else authorize(identity, "Mutation.createWebhookEndpoint", owner);
    const eventTypes = checkEventTypes(input.eventTypes, owner);
    const url = await checkUrl(this.options, owner, input.url);
    if (owner !== OPERATORS) await this.openTenant(owner);
    const secret = newWebhookSecret();
    const endpoint = await this.options.endpoints.create(owner, url, eventTypes, secret);
    await this.audit(identity, "create", endpoint, { after: audited(endpoint) });
    return { endpoint, secret };
  }

  @Mutation(() => WebhookEndpointType, {
    description: "Changes an endpoint, or enables it again after it was disabled",
  })
  async updateWebhookEndpoint(
    @Arg("id", () => ID, { description: "The endpoint's id (`whe_…`)" }) id: string,
    @Arg("input", () => UpdateWebhookEndpointInput, { description: "What to change" })
    input: UpdateWebhookEndpointInput,
    @Ctx() { identity }: SubgraphContext,
  ): Promise<Endpoint> {
    const endpoint = await this.reach(identity, "Mutation.updateWebhookEndpoint", id);
    const updated = await this.options.endpoints.update(endpoint, {
      ...(typeof input.url === "string" && { url: await checkUrl(this.options, endpoint.tenantId, input.url) }),
      ...(input.eventTypes && { eventTypes: checkEventTypes(input.eventTypes, endpoint.tenantId) }),
      ...(input.status && { status: input.status }),
    });
    const isMoved = updated.url !== endpoint.url;
    await this.audit(identity, "update", endpoint, {
      before: audited(endpoint),
      after: { ...audited(updated), ...(isMoved && { urlChanged: true }) },
    });
    return updated;
  }

  @Mutation(() => Boolean, {
    description: "Deletes an endpoint; its pending deliveries become dead letters. Returns true",
  })
  async deleteWebhookEndpoint(
    @Arg("id", () => ID, { description: "The endpoint's id (`whe_…`)" }) id: string,
    @Ctx() { identity }: SubgraphContext,
  ): Promise<boolean> {
    const endpoint = await this.reach(identity, "Mutation.deleteWebhookEndpoint", id);
    await this.options.endpoints.remove(endpoint);
    await this.audit(identity, "delete", endpoint, { before: audited(endpoint) });
    return true;
  }

  @Mutation(() => WebhookEndpointWithSecretType, {
    description: "Creates a new signing secret. For `graceSeconds`, deliveries are signed with the old one as well",
  })
  async rotateWebhookSecret(
    @Arg("id", () => ID, { description: "The endpoint's id (`whe_…`)" }) id: string,
    @Ctx() { identity }: SubgraphContext,
    @Arg("graceSeconds", () => Int, {
      nullable: true,
      defaultValue: DEFAULT_GRACE_SECONDS,
      description: "Seconds, up to 7 days",
    })
    grace?: number | null,
  ): Promise<WebhookEndpointWithSecretType> {
    const endpoint = await this.reach(identity, "Mutation.rotateWebhookSecret", id);
    const graceSeconds = grace ?? DEFAULT_GRACE_SECONDS;
    if (graceSeconds < 0 || graceSeconds > MAX_GRACE_SECONDS)
      throw new MetrlyError("INVALID", `\`graceSeconds\` must be 0..${MAX_GRACE_SECONDS}, not ${graceSeconds}`);
    const secret = newWebhookSecret();
    await this.options.endpoints.rotate(endpoint, secret, graceSeconds);
    await this.audit(identity, "rotateSecret", endpoint, { after: { graceSeconds } });
    return { endpoint, secret };
  }

  @Mutation(() => WebhookDeliveryType, { description: "Sends a `webhook.test` message to an endpoint" })
  async sendTestWebhook(
    @Arg("endpointId", () => ID, { description: "The endpoint's id (`whe_…`)" }) endpointId: string,
    @Ctx() { identity }: SubgraphContext,
  ): Promise<WebhookDeliveryType> {
    const endpoint = await this.reach(identity, "Mutation.sendTestWebhook", endpointId);
    const planned = await this.options.endpoints.planTest(endpoint, this.options.clock.now());
    await this.audit(identity, "sendTest", endpoint, { after: { deliveryId: planned.deliveryId } });
    return this.start(planned);
  }

  @Mutation(() => WebhookDeliveryType, { description: "Sends a delivery again, under the same id" })
  async replayWebhookDelivery(
    @Arg("id", () => ID, { description: "The delivery's id (`whd_…`)" }) id: string,
    @Ctx() { identity }: SubgraphContext,
  ): Promise<WebhookDeliveryType> {
    authorize(identity, "Mutation.replayWebhookDelivery");
    const delivery = await this.options.endpoints.delivery(id);
    if (delivery === undefined) throw noSuch("delivery", id);
    authorizeFor(identity, "Mutation.replayWebhookDelivery", delivery.tenantId, noSuch("delivery", id));
    const planned = await this.options.endpoints.replay(delivery.tenantId, id);
    await this.options.audit.record(identity, {
      action: "webhookDelivery.replay",
      target: `webhookDelivery:${id}`,
      tenantId: toldTenant(delivery.tenantId),
      before: { status: delivery.status },
      after: { status: "PENDING" },
    });
    return this.start(planned);
  }

  @Mutation(() => Int, {
    description:
      "Sends all dead letters of an endpoint again, under the same ids, and returns their number. Correct what made them fail, and enable the endpoint, first",
  })
  async replayDeadLetters(
    @Arg("endpointId", () => ID, { description: "The endpoint's id (`whe_…`)" }) endpointId: string,
    @Ctx() { identity }: SubgraphContext,
  ): Promise<number> {
    const endpoint = await this.reach(identity, "Mutation.replayDeadLetters", endpointId);
    const replayed = await this.options.endpoints.replayDead(endpoint);
    await this.audit(identity, "replayDeadLetters", endpoint, { after: { replayed: replayed.length } });
    this.options.enqueueNow(replayed.slice(0, REPLAYED_AT_ONCE));
    return replayed.length;
  }

  /** Throws NOT_FOUND, or TENANT_CLOSED. */
  private async openTenant(tenantId: string): Promise<void> {
    const { status } = await knownTenant(this.options.tenancy, tenantId);
    if (hasEnded(status)) throw new MetrlyError("TENANT_CLOSED", "The tenant is closed");
  }

  /** Checks the role first, then the endpoint; another tenant's endpoint, or an operator's, is reported as nonexistent. */
  private async reach(identity: Identity, operation: Operation, endpointId: string): Promise<Endpoint> {
    authorize(identity, operation);
    const endpoint = await this.options.endpoints.find(endpointId);
    if (endpoint === undefined) throw noSuch("webhook endpoint", endpointId);
    authorizeFor(identity, operation, endpoint.tenantId, noSuch("webhook endpoint", endpointId));
    return endpoint;
  }

  private audit(
    who: Identity,
    verb: string,
    { id, tenantId }: Endpoint,
    states: Pick<AuditedChange, "before" | "after">,
  ) {
    return this.options.audit.record(who, {
      action: `webhookEndpoint.${verb}`,
      target: `webhookEndpoint:${id}`,
      tenantId: toldTenant(tenantId),
      ...states,
    });
  }

  private async start(ref: DeliveryRef): Promise<WebhookDeliveryType> {
    this.options.enqueueNow([ref]);
    const delivery = await this.options.endpoints.delivery(ref.deliveryId);
    if (delivery === undefined) throw new Error(`delivery ${ref.deliveryId} was planned but does not exist`);
    return deliveryView(delivery);
  }
}

/** Authorizes an operation on an endpoint of this tenant; on an operator's, only platform admins. */
function authorizeFor(identity: Identity, operation: Operation, tenantId: string, hidden: MetrlyError): void {
  authorize(identity, operation, tenantId, hidden);
  if (tenantId === OPERATORS) authorize(identity, "Query.platformWebhookEndpoints", tenantId, hidden);
}

/** An endpoint without its secrets, of which its address may be one. */
const audited = ({ url, eventTypes, status }: Endpoint): object => ({ url: maskedUrl(url), eventTypes, status });

function deliveryView(delivery: Delivery): WebhookDeliveryType {
  return { ...delivery, payload: JSON.parse(delivery.payload) };
}
