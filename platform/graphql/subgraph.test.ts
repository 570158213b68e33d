import { GraphQLError, graphql } from "graphql";
import {
  Arg,
  Directive,
  Field,
  FieldResolver,
  ID,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from "type-graphql";
import { describe, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { DateTimeScalar } from "./scalars.js";
import { buildSubgraph, maskError, type SubgraphContext } from "./subgraph.js";

enum Granularity {
  HOUR = "hour",
  PERIOD = "period",
}
registerEnumType(Granularity, { name: "Granularity" });

@Directive('@key(fields: "id")')
@ObjectType("Tenant")
class Tenant {
  @Field(() => ID) id!: string;
}
@ObjectType("Hidden")
class Hidden {
  @Field(() => Int) value!: number;
}
@Resolver(() => Tenant)
class UsageResolver {
  readonly #unit: number;
  constructor(unit: number) {
    this.#unit = unit;
  }
  @FieldResolver(() => Int) usage(@Root() tenant: Tenant): number {
    return tenant.id.length * this.#unit;
  }
  @Query(() => Granularity) echo(
    @Arg("granularity", () => Granularity, { defaultValue: Granularity.PERIOD }) granularity: Granularity,
  ): Granularity {
    return granularity;
  }
  @Query(() => DateTimeScalar) at(@Arg("at", () => DateTimeScalar) at: number): number {
    return at + 1;
  }
}

const FROZEN = Object.freeze({ id: "frozen" });
const context: SubgraphContext = { identity: { kind: "USER", id: "u", tenantId: null, roles: [], scopes: [] } };
const build = () =>
  buildSubgraph({
    name: "usage",
    resolvers: [new UsageResolver(10)],
    references: {
      Tenant(reference, { identity }) {
        expect(identity.id).toBe("u");
        if (reference.id === "broken") throw new MetrlyError("UNAVAILABLE", "later");
        if (reference.id === "unknown") return null;
        return reference.id === "frozen" ? FROZEN : { id: reference.id };
      },
    },
    orphanedTypes: [Tenant],
  });

async function entities(ids: readonly string[], typename = "Tenant") {
  const { schema } = await build();
  return graphql({
    schema,
    source: "query ($r: [_Any!]!) { _entities(representations: $r) { __typename ... on Tenant { id usage } } }",
    variableValues: { r: ids.map((id) => ({ __typename: typename, id })) },
    contextValue: context,
  });
}

describe("a subgraph", () => {
  test("completes entities by their key, in order; unknown ones are null", async () => {
    const result = await entities(["acme", "unknown", "frozen", "acme"]);
    const entity = (id: string, usage: number) => ({ __typename: "Tenant", id, usage });
    expect(result).toEqual({
      data: { _entities: [entity("acme", 40), null, entity("frozen", 60), entity("acme", 40)] },
    });
  });

  test("an entity that fails leaves its neighbours alone", async () => {
    const result = await entities(["acme", "broken", "globex"]);
    expect(result.data).toMatchObject({ _entities: [{ usage: 40 }, null, { usage: 60 }] });
    expect(result.errors).toMatchObject([{ path: ["_entities", 1], originalError: { code: "UNAVAILABLE" } }]);
  });

  test("an entity that it does not have is an error, not a crash", async () => {
    const result = await entities(["x"], "Nothing");
    expect(result.data).toEqual({ _entities: [null] });
    expect(result.errors?.[0]?.message).toBe("no entity Nothing");
  });

  test("has only its own types in its SDL, with keys and defaults", async () => {
    const { sdl } = await build();
    expect(Hidden).toBeDefined();
    expect(sdl).not.toContain("Hidden");
    expect(sdl).toContain('type Tenant @key(fields: "id")');
    expect(sdl).toContain("echo(granularity: Granularity! = PERIOD): Granularity!");
    expect(sdl).not.toMatch(/_entities|_Any/);
    const { schema } = await build();
    const served = await graphql({ schema, source: "{ _service { sdl } }", contextValue: context });
    expect(served.data).toEqual({ _service: { sdl } });
  });

  test("maps enums and scalars between the wire and the inside", async () => {
    const { schema } = await build();
    const source = '{ echo a: echo(granularity: HOUR) at(at: "2026-11-01T00:00:00Z") }';
    const result = await graphql({ schema, source, contextValue: context });
    expect(result).toEqual({ data: { echo: "PERIOD", a: "HOUR", at: "2026-11-01T00:00:00.001Z" } });
  });

  test("an unreachable entity is refused at build time, with instructions", async () => {
    const building = buildSubgraph({
      name: "usage",
      resolvers: [new UsageResolver(1)],
      references: { Tenant: () => null },
    });
    await expect(building).rejects.toThrow("add its class to orphanedTypes");
  });
});

describe("masking", () => {
  const mask = (error: GraphQLError) => {
    const bugs: unknown[] = [];
    return { seen: maskError(error, (bug) => bugs.push(bug)).toJSON(), bugs };
  };
  const caused = (originalError: Error) => new GraphQLError(originalError.message, { path: ["a"], originalError });

  test("an error of the closed list keeps its code, message and extensions", () => {
    const { seen, bugs } = mask(caused(new MetrlyError("INVALID", "no", { errors: [{ path: "x" }] })));
    expect(seen).toEqual({ message: "no", path: ["a"], extensions: { code: "INVALID", errors: [{ path: "x" }] } });
    expect(bugs).toEqual([]);
  });

  test("what the database ended for its time is no bug, and says what to ask for", () => {
    const { seen, bugs } = mask(caused(Object.assign(new Error("canceling statement"), { code: "57014" })));
    expect(seen).toMatchObject({
      message: expect.stringContaining("smaller pages"),
      extensions: { code: "TOO_COMPLEX" },
    });
    expect(bugs).toEqual([]);
  });

  test("everything else is a bug that shows nothing", () => {
    for (const bug of [new TypeError("x is undefined"), new GraphQLError("table secret is missing")]) {
      const { seen, bugs } = mask(caused(bug));
      expect(seen).toEqual({
        message: "Internal error",
        path: ["a"],
        extensions: { code: "INTERNAL" },
      });
      expect(bugs).toEqual([bug]);
    }
    const foreign = new GraphQLError("ECONNREFUSED 10.0.0.1", { extensions: { code: "ECONNREFUSED" } });
    expect(mask(caused(foreign)).seen.extensions).toEqual({ code: "INTERNAL" });
  });

  test("a scalar's message about a value is kept", () => {
    const error = new GraphQLError("Decimal must be text", { extensions: { code: "INVALID" } });
    expect(mask(error)).toEqual({ seen: error.toJSON(), bugs: [] });
  });
});
