import { GraphQLError, parse } from "graphql";
import { describe, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { statusOfErrors, toClientError } from "./client-error.js";

function seen(thrown: unknown) {
  const bugs: unknown[] = [];
  const { message, extensions } = toClientError(thrown, (bug) => bugs.push(bug)).toJSON();
  return { message, extensions, bugs };
}
const withCode = (code: string, message = "words") => new GraphQLError(message, { extensions: { code } });

describe("errors as clients see them", () => {
  test("a bug, wherever it is from, is INTERNAL and goes to the log", () => {
    const bugs = [
      new TypeError("x.y is undefined"),
      "a thrown string",
      withCode("INTERNAL_SERVER_ERROR", "stack at a.ts:1:1"),
    ];
    for (const bug of [...bugs, new GraphQLError("Cannot return null", { path: ["a"] })]) {
      expect(seen(bug)).toEqual({
        message: "Internal error",
        extensions: { code: "INTERNAL" },
        bugs: [bug],
      });
    }
    const located = new GraphQLError("hunter2", { path: ["a"], originalError: new Error("hunter2") });
    expect(seen(located).message).not.toContain("hunter2");
  });

  test("what the database of this process ended for its time says what to ask for", () => {
    const originalError = Object.assign(new Error("canceling statement"), { code: "57014" });
    expect(seen(new GraphQLError("x", { path: ["a"], originalError }))).toEqual({
      message: expect.stringContaining("smaller pages"),
      ...{ extensions: { code: "TOO_COMPLEX" }, bugs: [] },
    });
  });

  test("the closed list's codes stay, the libraries' own are translated", () => {
    expect(seen(new MetrlyError("BUSY", "full", { retryInMs: 5 }))).toEqual({
      message: "full",
      extensions: { code: "BUSY", retryInMs: 5 },
      bugs: [],
    });
    expect(seen(withCode("QUOTA_EXCEEDED")).extensions).toEqual({ code: "QUOTA_EXCEEDED" });
    expect(seen(withCode("GRAPHQL_VALIDATION_FAILED")).extensions).toEqual({ code: "GRAPHQL_VALIDATION_FAILED" });
    expect(seen(withCode("BAD_REQUEST")).extensions).toEqual({ code: "MALFORMED" });
    expect(seen(withCode("BAD_USER_INPUT")).extensions).toEqual({ code: "INVALID" });
  });

  test("nothing of HTTP or of a stack rides along", () => {
    const error = new GraphQLError("no", {
      extensions: { code: "NOT_FOUND", http: { status: 418 }, stacktrace: ["at x"] },
    });
    expect(seen(error).extensions).toEqual({ code: "NOT_FOUND" });
  });

  test("of several errors in one, the first speaks", () => {
    const bundle = new AggregateError([withCode("CONFLICT", "taken"), new Error("hunter2")], "both");
    expect(seen(new GraphQLError("both", { originalError: bundle }))).toMatchObject({
      message: "taken",
      extensions: { code: "CONFLICT" },
    });
  });

  test("too many tokens is TOO_COMPLEX, by the words of the parser that runs", () => {
    let thrown: unknown;
    try {
      parse("{ a b c }", { maxTokens: 3 });
    } catch (error) {
      thrown = error;
    }
    expect(seen(thrown).extensions).toEqual({ code: "TOO_COMPLEX" });
  });
});

test("the status is the first error's, and 500 without a code", () => {
  expect(statusOfErrors([withCode("NOT_FOUND"), withCode("CONFLICT")])).toBe(404);
  expect(statusOfErrors([{}])).toBe(500);
});
