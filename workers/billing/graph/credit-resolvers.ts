import { Arg, Args, Ctx, Directive, FieldResolver, ID, Mutation, Resolver, Root } from "type-graphql";
import type { Clock } from "#kernel/clock.js";
import type { Decimal } from "#kernel/decimal.js";
import { formatMoney } from "#kernel/money.js";
import { hourOf } from "#kernel/period.js";
import { batched } from "#platform/graphql/batched.js";
import { PageArguments } from "#platform/graphql/page-types.js";
import { numberedList, type Page } from "#platform/graphql/pagination.js";
import { DateTimeScalar } from "#platform/graphql/scalars.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import type { Audit } from "#platform/tenancy-client/audit-log.js";
import { knownTenant } from "#platform/tenancy-client/caught-up.js";
import { authorize } from "#schema/policy.js";
import { standingOf } from "#schema/rating/draw-down.js";
import { tenantNow } from "#schema/tenancy-history.js";
import type { CreditGrantStatus as Status } from "#schema/vocabulary.js";
import type { CreditControl } from "../credits/control.js";
import {
  type BalanceQuery,
  type GrantPage,
  listGrants,
  readBalances,
  type StoredGrant,
} from "../store/credit-balances.js";
import { UNBOUNDED } from "../store/usage.js";
import { CreditGrantConnectionType, CreditGrantType, CreditsType, GrantCreditsInput } from "./credit-types.js";
import { TenantType } from "./types.js";
import type { GraphOptions } from "./usage-reads.js";

/** By position in the ledger. */
const GRANTS = numberedList("grants");
/** ISO 4217: no currency. */
const NO_CURRENCY = "XXX";

export type CreditReads = ReturnType<typeof createCreditReads>;

/** Reads of credits for the graph, batched over the tenants of an operation. */
export function createCreditReads({ database, tenancy, clock }: GraphOptions) {
  const balanceOf = batched((queries: readonly BalanceQuery[]) => readBalances(database.pool, queries));
  const grantsOf = batched((pages: readonly GrantPage[]) => listGrants(database.pool, pages));

  return {
    async credits(context: SubgraphContext, tenantId: string, asOf: number | null): Promise<CreditsType> {
      const tenant = await knownTenant(tenancy, tenantId);
      const now = clock.now();
      const isPast = asOf !== null && asOf < now;
      const recordedBefore = isPast ? hourOf(asOf) : UNBOUNDED;
      const moment = isPast ? recordedBefore : now;
      const at = tenantNow(tenant, moment);
      const { granted, drawn, expired, voided } = await balanceOf(context, { tenantId, recordedBefore, at });
      const currency = tenant.currency ?? NO_CURRENCY;
      const text = (amount: Decimal): string => formatMoney(amount, currency);
      return {
        ...{ tenantId, recordedBefore, at, currency, asOf: moment },
        ...{ granted: text(granted), drawn: text(drawn), expired: text(expired), voided: text(voided) },
        available: text(granted.minus(drawn).minus(expired).minus(voided)),
        reserved: text(granted.minus(granted)),
      };
    },
    async grants(
      context: SubgraphContext,
      { tenantId, recordedBefore, at }: CreditsType,
      args: PageArguments,
    ): Promise<Page<CreditGrantType>> {
      const page = GRANTS.open(args, tenantId);
      const rows = await grantsOf(context, {
        ...{ tenantId, recordedBefore, before: page.after ?? UNBOUNDED, take: page.take },
      });
      return page.of(
        rows,
        ({ seq }) => seq,
        (grant) => grantView(grant, at),
      );
    },
  };
}

export function grantView(grant: StoredGrant, at: number): CreditGrantType {
  const { tenantId, id, currency, priority, grantedAt, expiresAt, reason, actor } = grant;
  const { available } = standingOf(grant, at);
  return {
    ...{ tenantId, id, currency, priority, grantedAt, expiresAt, reason, actor, seq: String(grant.seq) },
    amount: formatMoney(grant.amount, currency),
    drawn: formatMoney(grant.drawn, currency),
    remaining: formatMoney(available, currency),
    status: statusOf(grant, at),
  };
}

function statusOf({ amount, drawn, expiresAt, isVoided }: StoredGrant, at: number): Status {
  if (isVoided) return "VOIDED";
  if (drawn.eq(amount)) return "USED_UP";
  return expiresAt !== null && expiresAt <= at ? "EXPIRED" : "ACTIVE";
}

/** Access to the tenant implies access to its credits. */
@Resolver(() => TenantType)
export class TenantCreditsResolver {
  constructor(private readonly reads: CreditReads) {}

  @Directive("@cost(weight: 10)")
  @FieldResolver(() => CreditsType, { description: "Prepaid credits: what was granted, and what became of it" })
  credits(
    @Root() tenant: TenantType,
    @Ctx() context: SubgraphContext,
    @Arg("asOf", () => DateTimeScalar, {
      nullable: true,
      description: "As known at the start of this UTC hour; default: now",
    })
    asOf: number | null | undefined,
  ): Promise<CreditsType> {
    return this.reads.credits(context, tenant.id, asOf ?? null);
  }
}

@Resolver(() => CreditsType)
export class CreditsResolver {
  constructor(private readonly reads: CreditReads) {}

  @FieldResolver(() => CreditGrantConnectionType, { description: "Newest first" })
  grants(
    @Root() credits: CreditsType,
    @Ctx() context: SubgraphContext,
    @Args(() => PageArguments) page: PageArguments,
  ): Promise<Page<CreditGrantType>> {
    return this.reads.grants(context, credits, page);
  }
}

@Resolver()
export class CreditOperations {
  constructor(
    private readonly tenancy: GraphOptions["tenancy"],
    private readonly clock: Clock,
    private readonly control: CreditControl,
    private readonly audit: Audit,
  ) {}

  @Mutation(() => CreditGrantType, {
    description:
      "Grants prepaid credits, with an immutable control record: they pay for usage that is recorded from then on. CONFLICT: the tenant has no plan yet, or another grant with this `id`",
  })
  async grantCredits(
    @Ctx() { identity }: SubgraphContext,
    @Arg("input", () => GrantCreditsInput, { description: "The grant" }) input: GrantCreditsInput,
  ): Promise<CreditGrantType> {
    const { tenantId, amount, reason } = input;
    authorize(identity, "Mutation.grantCredits", tenantId);
    const tenant = await knownTenant(this.tenancy, tenantId);
    const [id, expiresAt, priority] = [input.id ?? undefined, input.expiresAt ?? null, input.priority ?? 0];
    const grant = await this.control.grant(tenant, { id, amount, expiresAt, priority, reason }, identity.id);
    await this.audit.record(identity, {
      action: "credits.grant",
      target: `creditGrant:${tenantId}/${grant.id}`,
      tenantId,
      after: { amount, currency: grant.currency, expiresAt, priority, reason },
    });
    return grantView(grant, tenantNow(tenant, this.clock.now()));
  }

  @Mutation(() => CreditGrantType, {
    description:
      "Takes back what a grant has left, with an immutable control record; what usage has drawn stays drawn. Called again, it changes nothing. CONFLICT: nothing is left",
  })
  async voidCredits(
    @Ctx() { identity }: SubgraphContext,
    @Arg("tenantId", () => ID, { description: "The tenant's id" }) tenantId: string,
    @Arg("grantId", () => ID, { description: "The grant's id" }) grantId: string,
    @Arg("reason", () => String, { description: "Why, for the audit log; at most 1,000 characters" }) reason: string,
  ): Promise<CreditGrantType> {
    authorize(identity, "Mutation.voidCredits", tenantId);
    const tenant = await knownTenant(this.tenancy, tenantId);
    const grant = await this.control.void(tenant, grantId, reason, identity.id);
    await this.audit.record(identity, {
      action: "credits.void",
      target: `creditGrant:${tenantId}/${grant.id}`,
      tenantId,
      after: { reason },
    });
    return grantView(grant, tenantNow(tenant, this.clock.now()));
  }
}
