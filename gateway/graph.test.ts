import { OperationTypeNode, parse } from "graphql";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import type { Identity } from "#schema/policy.js";
import { unlessStopped } from "../tests/support/unless-stopped.js";
import { buildTestSubgraphs } from "../tests/systems/gateway/subgraphs.js";
import { composeSupergraph } from "./composition.js";
import { buildFederation, guarded, logFailures } from "./execution.js";
import type { SubgraphRequest } from "./federation/subgraph.js";
import { graphConformance } from "./graph.conformance.js";
import { localExecutor } from "./subgraphs/reach.js";

const ADMIN: Identity = { kind: "USER", id: "u", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };

const ANYTHING: SubgraphRequest = {
  operation: { text: "{ a }", document: parse("{ a }"), kind: OperationTypeNode.QUERY },
  variables: {},
  context: { identity: ADMIN },
};

describe("one graph over subgraphs in this process", () => {
  graphConformance({ subgraphs: "local" });

  test("simultaneous lookups of one operation in a subgraph are one call", async () => {
    const { all } = await buildTestSubgraphs();
    const calls: string[] = [];
    const { schema, execute } = buildFederation(
      composeSupergraph(all).supergraphSdl,
      all,
      () => undefined,
      (target) => {
        const ask = localExecutor(target.schema);
        return (request) => {
          calls.push(target.name);
          return ask(request);
        };
      },
    );
    await execute({
      schema,
      document: parse(
        '{ whoAmI echo(amount: "1") tenants { nodes { name usage invoices { nodes { id } } } } quotaReady }',
      ),
      contextValue: { identity: ADMIN },
    });
    expect(calls.sort()).toEqual(["billing", "quota", "quota", "tenancy"]);
  });
});

// Longer than what is waited for here: a request that is given up for its time would look like one whose client has left.
describe("one graph over subgraphs behind ports", () =>
  graphConformance({ subgraphs: "remote", remote: { timeoutMs: 600_000 } }));

describe("a subgraph that does not answer", () => {
  const again = unlessStopped();

  test("is SUBGRAPH_UNAVAILABLE at its paths, and the others' data is there", async () => {
    const { all } = await buildTestSubgraphs();
    const failures: string[] = [];
    const { schema, execute } = buildFederation(
      composeSupergraph(all).supergraphSdl,
      all,
      (name) => failures.push(name),
      (target) =>
        target.name === "billing"
          ? async () => {
              throw new Error("connect ECONNREFUSED 10.0.0.3:4000");
            }
          : localExecutor(target.schema),
    );
    const result = await execute({
      schema,
      document: parse('{ tenant(id: "acme") { name usage invoices { nodes { id } } } billingReady }'),
      contextValue: { identity: ADMIN },
    });
    expect(result.data).toEqual({ tenant: { name: "Acme", usage: 4, invoices: null }, billingReady: null });
    const seen = result.errors?.map(({ path, message, extensions }) => ({ path, message, code: extensions.code }));
    const message = "The service billing does not answer";
    expect(seen).toContainEqual({ path: ["billingReady"], message, code: "SUBGRAPH_UNAVAILABLE" });
    expect(seen).toContainEqual({ path: ["tenant", "invoices"], message, code: "SUBGRAPH_UNAVAILABLE" });
    expect(new Set(failures)).toEqual(new Set(["billing"]));
  });

  test("the same for one that hangs", again, async () => {
    const { all } = await buildTestSubgraphs();
    const { schema, execute } = buildFederation(
      composeSupergraph(all).supergraphSdl,
      all,
      () => undefined,
      (target) => (target.name === "billing" ? () => new Promise(() => undefined) : localExecutor(target.schema)),
      50,
    );
    const document = parse('{ tenant(id: "acme") { name invoices { nodes { id } } } quotaReady }');
    const { data, errors } = await execute({ schema, document, contextValue: { identity: ADMIN } });
    expect(data).toEqual({ tenant: { name: "Acme", invoices: null }, quotaReady: true });
    expect(errors?.map(({ path, extensions }) => [path, extensions.code])).toEqual([
      [["tenant", "invoices"], "SUBGRAPH_UNAVAILABLE"],
    ]);
  });

  test("no answer in time is a warning without a stack trace, any other failure an error with one", async () => {
    const lines: string[] = [];
    const log = logFailures(pino({ base: null, timestamp: false }, { write: (line) => lines.push(line) }));
    const ask = (execute: () => Promise<never>) =>
      guarded("quota", execute, (error) => log("quota", error), 20)(ANYTHING);
    for (const execute of [
      () => new Promise<never>(() => undefined),
      () => Promise.reject(new Error("socket hang up")),
    ])
      expect(await ask(execute)).toMatchObject({ errors: [{ extensions: { code: "SUBGRAPH_UNAVAILABLE" } }] });
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { level: 40, subgraph: "quota", reason: "no answer within 20 ms", msg: "a subgraph does not answer" },
      expect.objectContaining({ level: 50, err: expect.objectContaining({ stack: expect.any(String) }) }),
    ]);
  });

  test("a failing stream yields one error and ends", async () => {
    const failures: unknown[] = [];
    async function* breaking() {
      yield { data: { n: 1 } };
      throw new Error("socket hang up");
    }
    const stream = await guarded(
      "quota",
      async () => breaking(),
      (error) => failures.push(error),
    )(ANYTHING);
    const got: unknown[] = [];
    for await (const result of stream as AsyncIterable<unknown>) got.push(result);
    expect(got).toMatchObject([{ data: { n: 1 } }, { errors: [{ extensions: { code: "SUBGRAPH_UNAVAILABLE" } }] }]);
    expect(failures).toHaveLength(1);
  });

  test("an error with a meaning keeps it", async () => {
    const busy = guarded(
      "quota",
      async () => {
        throw new MetrlyError("BUSY", "full");
      },
      () => undefined,
    );
    expect(await busy(ANYTHING)).toMatchObject({
      errors: [{ message: "full", extensions: { code: "BUSY" } }],
    });
  });
});
