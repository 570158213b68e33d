import { type ExecutionArgs, type ExecutionResult, parse } from "graphql";
import { expect, test } from "vitest";
import { boundSubscriptions } from "./held-subscriptions.js";

type Answer = AsyncGenerator<number> | ExecutionResult;

/** Room for ten subscriptions, of which a caller that is not alone may have its share of five. */
function world(subscribe: () => Promise<Answer> = async () => numbers()) {
  const limits = { shared: 5 * 10_000, max: 10 * 10_000 };
  const bounded = boundSubscriptions<AsyncGenerator<number>>({ subscribe, isKept: () => true, limits });
  const document = parse("subscription { n }");
  const open = async (tenantId: string, bytes = 5_000): Promise<Answer> => {
    const identity = { kind: "API_KEY", id: "k", tenantId, roles: [], scopes: [] };
    const variableValues = { fill: "x".repeat(bytes / 2) };
    return bounded({ document, variableValues, contextValue: { identity } } as unknown as ExecutionArgs);
  };
  return { open };
}

async function* numbers(count = Number.POSITIVE_INFINITY): AsyncGenerator<number> {
  for (let n = 0; n < count; n += 1) yield n;
}

const codeOf = (answer: Answer) => ("errors" in answer ? answer.errors?.[0]?.extensions.code : "open");

test("a caller holds its share of the memory of subscriptions, and leaves room for others", async () => {
  const { open } = world();
  const mine = await Promise.all(Array.from({ length: 6 }, () => open("busy")));
  expect(mine.map(codeOf)).toEqual(["open", "open", "open", "open", "open", "BUSY"]);
  expect(codeOf(await open("other"))).toBe("open");
  expect(codeOf(await open("busy"))).toBe("RATE_LIMITED");
  // Far over: neither time nor size of a single one helps.
  expect(codeOf(await open("busy", 200_000))).toBe("RATE_LIMITED");
  const others = await Promise.all(Array.from({ length: 20 }, (_, n) => open(`other ${n}`)));
  expect(others.filter((answer) => codeOf(answer) === "open")).toHaveLength(4);
});

test("what ends, fails, is refused or left is given back once", async () => {
  const failures = { next: undefined as Error | undefined };
  const { open } = world(async () => {
    if (failures.next !== undefined) throw failures.next;
    return numbers(1);
  });
  async function left(answer: Answer): Promise<void> {
    if ("errors" in answer) throw new Error("refused");
    await (answer as AsyncGenerator<number>).return(undefined);
    await (answer as AsyncGenerator<number>).return(undefined);
  }
  for (let n = 0; n < 30; n += 1) {
    const read: number[] = [];
    for await (const value of (await open("acme")) as AsyncGenerator<number>) read.push(value);
    expect(read).toEqual([0]);
    await left(await open("acme"));
    failures.next = new Error("unreachable");
    await expect(open("acme")).rejects.toThrow("unreachable");
    failures.next = undefined;
  }
  const again = await Promise.all(Array.from({ length: 6 }, () => open("acme")));
  expect(again.map(codeOf)).toEqual(["open", "open", "open", "open", "open", "BUSY"]);
});
