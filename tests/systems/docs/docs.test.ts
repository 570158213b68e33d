import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import {
  buildSchema,
  type GraphQLNamedType,
  isEnumType,
  isInputObjectType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
  parse,
  validate,
} from "graphql";
import { expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { hasProgram } from "../../support/programs.js";
import { blocksOf, linksOf, PAGES } from "./page.js";

/** Pages without commands. */
const LINKING = ["docs/notifications.md"];

test("every GraphQL operation of a page fits the API", async () => {
  const schema = buildSchema(await readFile(path.join(packageRoot(), "schema/graphql/api.graphql"), "utf8"));
  let count = 0;
  for (const page of PAGES) {
    for (const { language, code, line } of await blocksOf(page)) {
      const asked = [...code.matchAll(/npx metrly graph '([^']+)'/g)].map(([, operation = ""]) => operation);
      for (const operation of language === "graphql" ? [code] : asked) {
        count += 1;
        expect(validate(schema, parse(operation)).map(String), `${page}:${line}`).toEqual([]);
      }
    }
  }
  expect(count).toBeGreaterThan(20);
});

test("every part of the API says what it means", async () => {
  const schema = buildSchema(await readFile(path.join(packageRoot(), "schema/graphql/api.graphql"), "utf8"));
  const roots: readonly unknown[] = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  const types = Object.values(schema.getTypeMap()).filter(
    (type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type),
  );
  const silent = types.flatMap((type) => [
    ...(type.description || roots.includes(type) ? [] : [type.name]),
    ...membersOf(type).flatMap((member) => [
      ...(member.description ? [] : [`${type.name}.${member.name}`]),
      ...member.args.filter((arg) => !arg.description).map((arg) => `${type.name}.${member.name}(${arg.name}:)`),
    ]),
  ]);
  expect(silent).toEqual([]);
});

interface Described {
  readonly name: string;
  readonly description?: string | null | undefined;
}

/** The fields with their arguments, input fields or values of a type. */
function membersOf(type: GraphQLNamedType): readonly (Described & { readonly args: readonly Described[] })[] {
  if (isObjectType(type)) return Object.values(type.getFields());
  if (isInputObjectType(type)) return Object.values(type.getFields()).map((field) => ({ ...field, args: [] }));
  return isEnumType(type) ? type.getValues().map((value) => ({ ...value, args: [] })) : [];
}

test("the targets of a page's links exist", async () => {
  for (const page of [...PAGES, ...LINKING])
    expect(
      (await linksOf(page)).filter((target) => !existsSync(path.join(packageRoot(), target))),
      page,
    ).toEqual([]);
});

test("the TypeScript of the documentation compiles against the SDK", async () => {
  const root = packageRoot();
  const dir = path.join(root, ".cache", "docs-types");
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  let count = 0;
  for (const page of ["sdk/README.md", ...PAGES]) {
    const code = (await blocksOf(page)).filter(({ language }) => language === "ts").map((block) => block.code);
    count += code.length;
    if (code.length > 0) await writeFile(path.join(dir, `${page.replace(/\W/g, "-")}.ts`), code.join("\n"));
  }
  expect(count).toBeGreaterThan(5);
  const sdk = (entry: string) => [path.join(root, "sdk/src", `${entry}.ts`)];
  const paths = {
    "@metrly/sdk": sdk("index"),
    "@metrly/sdk/express": sdk("express"),
    "@metrly/sdk/fastify": sdk("fastify"),
  };
  await writeFile(
    path.join(dir, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        ...{ target: "es2022", module: "nodenext", moduleResolution: "nodenext", strict: true, noEmit: true, paths },
        ...{ types: ["node"], skipLibCheck: true, lib: ["es2023", "dom"], exactOptionalPropertyTypes: true },
      },
      include: ["*.ts"],
    }),
  );
  const tsc = path.join(root, "node_modules/typescript/bin/tsc");
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", dir], { encoding: "utf8" });
  expect(status, stdout).toBe(0);
});

test.skipIf(!hasProgram("gofmt"))("the Go of the documentation is formatted and parses", async () => {
  const programs = (await Promise.all(PAGES.map(blocksOf))).flat().filter(({ language }) => language === "go");
  expect(programs.length).toBeGreaterThan(0);
  for (const { code } of programs) {
    const { status, stdout, stderr } = spawnSync("gofmt", ["-l"], { input: code, encoding: "utf8" });
    expect([status, stdout, stderr]).toEqual([0, "", ""]);
  }
});
