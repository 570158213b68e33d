import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { type Operation, POLICY } from "#schema/policy.js";
import { ASKERS, type Asker, reaches } from "./askers.js";
import { askPolicy } from "./asking.js";
import { OPERATIONS, type PolicyOperation } from "./operations.js";
import { createPolicyWorld, type PolicySystem, type PolicyWorld, type Things } from "./world.js";

type Target = "own" | "other" | "missing";

/** In the policy, not in the graph yet. */
const PENDING: readonly string[] = JSON.parse(
  readFileSync(new URL("../../schema/graphql/pending.json", import.meta.url), "utf8"),
);

/** The table operation x asker x own/other tenant of `schema/policy.ts`, each cell asked through a running Metrly's front door. */
export function policyTable(system: () => PolicySystem): void {
  let world: PolicyWorld;
  beforeAll(async () => {
    world = await createPolicyWorld(system());
  }, 120_000);

  test("the table has a row for each operation of the policy", () => {
    expect(Object.keys(OPERATIONS).sort()).toEqual(Object.keys(POLICY).sort());
  });

  for (const [name, operation] of rows()) {
    test.skipIf(PENDING.includes(name))(name, async () => {
      const asked = await Promise.all(cellsOf(operation).map((cell) => askCell(world, name, operation, cell)));
      const verdicts = Object.fromEntries(asked.map(({ label, verdict }) => [label, verdict]));
      expect(verdicts).toEqual(Object.fromEntries(asked.map(({ label, expected }) => [label, expected])));
      for (const asker of ASKERS.filter(({ bound }) => bound)) {
        const textOf = (target: Target) => asked.find(({ label }) => label === labelOf({ asker, target }))?.text;
        expect(textOf("other"), `${asker.name}: another tenant's is as if it were not there`).toBe(textOf("missing"));
      }
    });
  }
}

function rows(): [Operation, PolicyOperation][] {
  const names = Object.keys(OPERATIONS).filter((name): name is Operation => Object.hasOwn(POLICY, name));
  return names.map((name) => [name, OPERATIONS[name]]);
}

interface Cell {
  readonly asker: Asker;
  readonly target: Target;
}

const labelOf = ({ asker, target }: Cell): string => `${asker.name} asks about ${target}`;

/** Who belongs to no tenant has no other one. */
function cellsOf(operation: PolicyOperation): Cell[] {
  return ASKERS.flatMap((asker) => {
    const targets = operation.ofTenant && asker.bound ? (["own", "other", "missing"] as const) : (["own"] as const);
    return targets.map((target) => ({ asker, target }));
  });
}

async function askCell(world: PolicyWorld, name: Operation, operation: PolicyOperation, cell: Cell) {
  const expected = expectedOf(name, operation, cell);
  const things: Things = {
    ...world[cell.target],
    ...(expected === "ALLOWED" && (await operation.fresh?.(world.make, world[cell.target].tenantId))),
  };
  const token = world.tokenOf(cell.asker);
  const { verdict, text } = await askPolicy(world.system.url, token, operation, operation.variables(things));
  return { label: labelOf(cell), expected, verdict, text: withoutIds(text, things) };
}

function expectedOf(name: Operation, { through, ofTenant }: PolicyOperation, { asker, target }: Cell): string {
  if (asker.rank === "NOBODY") return "UNAUTHENTICATED";
  if (!reaches(asker, through ?? name)) return "FORBIDDEN";
  if (ofTenant && asker.bound && target !== "own") return "HIDDEN";
  return reaches(asker, name) ? "ALLOWED" : "FORBIDDEN";
}

/** An answer may repeat what was asked. */
function withoutIds(text: string, things: Things): string {
  return Object.entries(things).reduce((rest, [what, id]) => rest.replaceAll(id, `<${what}>`), text);
}
