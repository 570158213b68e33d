import { readFileSync } from "node:fs";
import path from "node:path";
import { buildSchema, isInputObjectType, isObjectType } from "graphql";
import { expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { PRICE_MODELS } from "#schema/vocabulary.js";
import { FIELDS_OF_MODEL } from "./price.js";

const schema = buildSchema(readFileSync(path.join(packageRoot(), "schema/graphql/api.graphql"), "utf8"));

test.each(["PriceInput", "Price"])("the fields of %s name exactly the models that take them", (name) => {
  const type = schema.getType(name);
  if (!isInputObjectType(type) && !isObjectType(type)) throw new Error(`the graph has no ${name}`);
  for (const field of ["unitAmount", "packageSize", "ratePercent", "tiers"] as const) {
    const said = type.getFields()[field]?.description?.match(/\b[A-Z]+(?:_[A-Z]+)*\b/g) ?? [];
    const taking = PRICE_MODELS.filter((model) => FIELDS_OF_MODEL[model].includes(field));
    expect([field, said.filter((word) => PRICE_MODELS.some((model) => model === word)).sort()]).toEqual([
      field,
      [...taking].sort(),
    ]);
  }
});
