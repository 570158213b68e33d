import { readdirSync, readFileSync } from "node:fs";
import { Type } from "@sinclair/typebox";
import { Ajv } from "ajv";
import { expect, test } from "vitest";
import { growing } from "#schema/events/growing.js";
import { contractChanges, tamperings, unreleasedProblems } from "./event-compatibility.js";

const released = Type.Object({
  id: Type.String(),
  shape: growing("shape", Type.Union([Type.Literal("ROUND"), Type.Literal("SQUARE")])),
  size: Type.Union([Type.Literal("S"), Type.Literal("L")]),
  parts: Type.Array(Type.Union([Type.Object({ kind: Type.Literal("a"), n: Type.Integer() }), Type.Null()])),
});
const changedTo = (changed: object): unknown => Type.Object({ ...released.properties, ...changed });
const changes = (current: unknown) => contractChanges("c.v1", plain(released), plain(current));
const plain = (schema: unknown): unknown => JSON.parse(JSON.stringify(schema));

test("an optional field, and a member of a union that may grow, are additions", () => {
  const shape = Type.Union([Type.Literal("OVAL"), Type.Literal("SQUARE"), Type.Literal("ROUND")]);
  const current = changedTo({ note: Type.Optional(Type.String()), shape: growing("shape", shape) });
  expect(changes(current)).toEqual({ added: ["c.v1.shape<OVAL>", "c.v1.note"], broken: [] });
  expect(changes(released)).toEqual({ added: [], broken: [] });
});

test.each<[string, unknown, string]>([
  ["a required field", changedTo({ note: Type.String() }), "c.v1.note"],
  ["a field that went", Type.Omit(released, ["id"]), "c.v1.id: gone"],
  ["a field that is optional now", changedTo({ id: Type.Optional(Type.String()) }), "c.v1.id: optional or not"],
  [
    "a member of a union that may not grow",
    changedTo({ size: Type.Union([Type.Literal("S"), Type.Literal("L"), Type.Literal("M")]) }),
    "c.v1.size<M>",
  ],
  [
    "a member that went",
    changedTo({ shape: growing("shape", Type.Union([Type.Literal("ROUND"), Type.Literal("OVAL")])) }),
    "c.v1.shape<SQUARE>: gone",
  ],
  [
    "a union that may not grow any more",
    changedTo({ shape: Type.Union([Type.Literal("ROUND"), Type.Literal("SQUARE")]) }),
    "c.v1.shape: may not grow any more",
  ],
  ["another type", changedTo({ id: Type.Integer() }), 'c.v1.id: {"type":"string"} is {"type":"integer"}'],
  [
    "another pattern, deep inside",
    changedTo({
      parts: Type.Array(
        Type.Union([Type.Object({ kind: Type.Literal("a"), n: Type.Integer({ minimum: 1 }) }), Type.Null()]),
      ),
    }),
    'c.v1.parts[]<a>.n: {"type":"integer"} is {"minimum":1,"type":"integer"}',
  ],
  ["a contract that went", undefined, "c.v1: another schema"],
])("%s breaks a released contract", (_, current, place) => {
  const found = contractChanges("c.v1", plain(released), current === undefined ? undefined : plain(current));
  expect(found.broken).toEqual([place]);
});

test("between releases a contract has one next version", () => {
  expect(unreleasedProblems(["a.v1", "a.v2"], ["a.v1", "a.v2", "a.v3", "b.v1"])).toEqual([]);
  expect(unreleasedProblems(["a.v1"], ["a.v1", "a.v2", "a.v3"])).toEqual(["the next version of a is 2, not 3"]);
  expect(unreleasedProblems([], ["b.v2"])).toEqual(["the next version of b is 1, not 2"]);
});

test("only a release changes, adds or removes what was released", () => {
  const then = new Map([
    ["a.v1", { type: "string" }],
    ["b.v1", {}],
  ]);
  expect(tamperings(then, new Map(then))).toEqual([]);
  const now = new Map([
    ["a.v1", { type: "integer" }],
    ["c.v1", {}],
  ]);
  expect(tamperings(then, now)).toEqual(
    ["a", "b", "c"].map((name) => `only a release may change schema/events/released/${name}.v1.json`),
  );
});

const EVENTS = new URL("../schema/events/", import.meta.url);
const RELEASED = new URL("released/", EVENTS);
const files = readdirSync(RELEASED).filter((name) => /\.v\d+\.json$/.test(name));

test.each(files)("%s: records written today are valid for readers of the last release", async (file) => {
  const type = file.replace(/\.json$/, "");
  const modules = readdirSync(EVENTS).filter((name) => /\.v\d+\.ts$/.test(name));
  const exported = await Promise.all(modules.map((name) => import(new URL(name, EVENTS).href)));
  const contract = exported
    .flatMap((module) => Object.values<{ type?: string; example?: unknown }>(module))
    .find((value) => value.type === type);
  const isValid = new Ajv({ strict: false }).compile(JSON.parse(readFileSync(new URL(file, RELEASED), "utf8")));
  expect(isValid(contract?.example)).toBe(true);
});
