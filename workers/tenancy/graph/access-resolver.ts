import { Arg, Args, Ctx, Directive, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from "type-graphql";
import { MetrlyError } from "#kernel/errors.js";
import { PageArguments } from "#platform/graphql/page-types.js";
import { numberedList, type Page } from "#platform/graphql/pagination.js";
import { DateTimeScalar, JsonScalar } from "#platform/graphql/scalars.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import { authorize } from "#schema/policy.js";
import { type IssuedKey, issueApiKey, revokeApiKey, rotateApiKey } from "../changes/api-keys.js";
import type { TenancyStore } from "../store/store.js";
import type { Loaders } from "./loaders.js";
import {
  ApiKey,
  AuditEntry,
  AuditEntryConnection,
  apiKeyView,
  IssueApiKeyInput,
  IssuedApiKey,
  Viewer,
} from "./tenant-types.js";

const AUDIT_LOG = numberedList("audit");
const DEFAULT_GRACE_SECONDS = 86_400;

/** Viewers, API keys and the audit log. */
@Resolver()
export class AccessResolver {
  constructor(private readonly store: TenancyStore) {}

  @Query(() => Viewer, { description: "Who the caller is, and what it may do" })
  viewer(@Ctx() { identity }: SubgraphContext): Viewer {
    authorize(identity, "Query.viewer");
    if (identity.kind === "SERVICE") throw new MetrlyError("FORBIDDEN", "Services are not viewers");
    return { kind: identity.kind, id: identity.id, tenantId: identity.tenantId, roles: identity.roles };
  }

  @Query(() => AuditEntryConnection, {
    description:
      "Changes of tenants, keys, meters, plans, endpoints and events, with who made them; newest first. Needs TENANT_ADMIN",
  })
  async auditLog(
    @Ctx() context: SubgraphContext,
    @Arg("tenantId", () => ID, {
      nullable: true,
      description: "Only this tenant's; default: the caller's tenant, or everything",
    })
    tenantId: string | null,
    @Args(() => PageArguments) args: PageArguments,
  ): Promise<Page<AuditEntry>> {
    const { identity } = context;
    const wanted = tenantId ?? identity.tenantId ?? undefined;
    authorize(identity, "Query.auditLog", wanted);
    const page = AUDIT_LOG.open(args, wanted);
    const asked = { after: page.after, take: page.take, tenantId: wanted };
    const records = await this.store.auditLog(asked);
    return page.of(
      records,
      (record) => record.id,
      (record) => record,
    );
  }

  @Mutation(() => IssuedApiKey, {
    description:
      "Issues an API key; the response is the only place where its secret appears. CONFLICT: the tenant is closed, or has 200 live keys",
  })
  async issueApiKey(
    @Ctx() { identity }: SubgraphContext,
    @Arg("input", () => IssueApiKeyInput, { description: "The key" }) input: IssueApiKeyInput,
  ): Promise<IssuedApiKey> {
    const issued = await issueApiKey(this.store, identity, {
      tenantId: input.tenantId ?? undefined,
      platform: input.platform ?? false,
      name: input.name,
      scopes: input.scopes,
      expiresAt: input.expiresAt ?? null,
    });
    return issuedView(issued);
  }

  @Mutation(() => IssuedApiKey, {
    description:
      "Replaces a key by a new one with the same tenant, name and scopes. The old one stays valid for `graceSeconds`, so that clients can change. CONFLICT: the key is revoked or expired",
  })
  async rotateApiKey(
    @Ctx() { identity }: SubgraphContext,
    @Arg("id", () => ID, { description: "The old key's id (`key_…`), not its secret" }) id: string,
    @Arg("graceSeconds", () => Int, {
      nullable: true,
      defaultValue: DEFAULT_GRACE_SECONDS,
      description: "Seconds, up to 30 days; 0 ends the old key at once",
    })
    graceSeconds: number | null,
  ): Promise<IssuedApiKey> {
    return issuedView(await rotateApiKey(this.store, identity, id, graceSeconds ?? DEFAULT_GRACE_SECONDS));
  }

  @Mutation(() => ApiKey, {
    description:
      "Ends a key at once and permanently, on every process; its open WebSockets are closed. To keep clients working, use `rotateApiKey`",
  })
  async revokeApiKey(
    @Ctx() { identity }: SubgraphContext,
    @Arg("id", () => ID, { description: "The key's id (`key_…`), not its secret" }) id: string,
  ): Promise<ApiKey> {
    return apiKeyView(await revokeApiKey(this.store, identity, id));
  }
}

@Resolver(() => ApiKey)
export class ApiKeyResolver {
  constructor(private readonly loaders: Loaders) {}

  @FieldResolver(() => DateTimeScalar, { nullable: true, description: "Accurate to a few seconds" })
  async lastUsedAt(@Root() { id }: ApiKey, @Ctx() context: SubgraphContext): Promise<number | null> {
    return (await this.loaders.keyUse(context, id)) ?? null;
  }
}

/** Whole states are read only where they are asked for. */
@Resolver(() => AuditEntry)
export class AuditEntryResolver {
  constructor(private readonly loaders: Loaders) {}

  @Directive("@cost(weight: 20)")
  @FieldResolver(() => JsonScalar, {
    nullable: true,
    description: "The state before, without secrets; null: it did not exist",
  })
  before(@Root() { id }: AuditEntry, @Ctx() context: SubgraphContext): Promise<unknown> {
    return this.loaders.stateBefore(context, id);
  }

  @Directive("@cost(weight: 20)")
  @FieldResolver(() => JsonScalar, {
    nullable: true,
    description: "The state after, without secrets; null: it no longer exists",
  })
  after(@Root() { id }: AuditEntry, @Ctx() context: SubgraphContext): Promise<unknown> {
    return this.loaders.stateAfter(context, id);
  }
}

const issuedView = ({ apiKey, secret }: IssuedKey): IssuedApiKey => ({ apiKey: apiKeyView(apiKey), secret });
