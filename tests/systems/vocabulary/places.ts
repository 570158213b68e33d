import type { Copy } from "../../support/checkout-copy.js";

const TYPES = {
  extends: "./tsconfig.build.json",
  compilerOptions: { noEmit: true },
  // Has a table by aggregation, so that billing's property tests have a meter of each.
  files: ["workers/billing/derived.test.ts"],
};
const COMPLAINT = /^(\S+\.ts)\((\d+),\d+\): error /gm;
const DECLARATION = /^(?:export )?(?:async )?(?:const|function\*?|class|interface|type) (\w+)/;

/** The places that the compiler names: file and top-level declaration. */
export async function placesOfTypes(copy: Copy): Promise<string[]> {
  await copy.write("tsconfig.places.json", JSON.stringify(TYPES));
  const output = await copy.run("node_modules/typescript/bin/tsc", "-p", "tsconfig.places.json", "--pretty", "false");
  const complaints = [...output.matchAll(COMPLAINT)];
  if (complaints.length === 0 && output.trim() !== "") throw new Error(output);
  const places = complaints.map(async ([, file = "", line = "0"]) => {
    const upToIt = (await copy.read(file)).split("\n").slice(0, Number(line));
    const names = upToIt.flatMap((text) => DECLARATION.exec(text)?.[1] ?? []);
    return `${file} ${names.at(-1)}`;
  });
  return [...new Set(await Promise.all(places))].sort();
}

const CONDITIONS = ["node", "default"];
const GUARDS = {
  test: {
    include: [
      "schema/vocabulary.test.ts",
      "workers/billing/derived.test.ts",
      "workers/billing/rules/pricing-examples.test.ts",
    ],
    // The property tests beside them do not guard the vocabulary.
    testNamePattern: "(has|have|allow) (.* )?every",
    maxWorkers: 1,
  },
  resolve: { conditions: CONDITIONS },
  ssr: { resolve: { conditions: CONDITIONS } },
};
const FAILED = /^not ok \d+ - (.+?)(?: # .*)?$/gm;

/** The failing tests among those that guard places the compiler cannot see. */
export async function failingGuards(copy: Copy): Promise<string[]> {
  await copy.write("vitest.guards.config.ts", `export default ${JSON.stringify(GUARDS)};\n`);
  const run = [
    "node_modules/vitest/vitest.mjs",
    "run",
    "--config",
    "vitest.guards.config.ts",
    "--reporter",
    "tap-flat",
  ];
  const output = await copy.run(...run);
  const failed = [...output.matchAll(FAILED)].map(([, name = ""]) => name.split(" > ").at(-1) ?? "");
  if (failed.length === 0 && !/^ok /m.test(output)) throw new Error(output);
  return failed.sort();
}

/** The marks that the check of released contracts requests. */
export async function unmarkedContracts(copy: Copy): Promise<string[]> {
  const output = await copy.run("--import", "tsx", "scripts/contracts.mjs", "check");
  const asked = /^if older readers may ignore this, mark it in \S+: (\S+)$/gm;
  return [...output.matchAll(asked)].map(([, place = ""]) => place).sort();
}
