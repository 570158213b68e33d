import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, test } from "vitest";
import { createChecker, operationsOf } from "../../tests/systems/clients/documented.js";
import { openApiDocument } from "./document.js";

const document = openApiDocument("1.2.3");
const operations = operationsOf(document);
const checker = createChecker(document);

describe("the OpenAPI document", () => {
  test("is valid OpenAPI 3.1 with the product's version", async () => {
    const result = await new Validator().validate(JSON.parse(JSON.stringify(document)));
    expect(result).toMatchObject({ valid: true });
    expect(document.info.version).toBe("1.2.3");
    expect(document.openapi).toMatch(/^3\.1\./);
  });

  test("names the server that it comes from, also behind a proxy that adds a path", () => {
    const [server] = document.servers;
    expect(new URL(server?.url ?? "", "https://example.com/metrly/openapi.json").href).toBe(
      "https://example.com/metrly/",
    );
  });

  test("names each operation once, and describes all of it", () => {
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    );
    expect(new Set(ids).size).toBe(operations.length);
    for (const { parameters = [] } of operations)
      for (const parameter of parameters) expect(parameter).toHaveProperty("description");
  });

  test("has examples that its own schemas accept", () => {
    let checked = 0;
    for (const { method, path, requestBody, responses } of operations) {
      const place = ["paths", path, method];
      for (const [type, { examples = {} }] of Object.entries(requestBody?.content ?? {}))
        for (const { value } of Object.values(examples)) {
          expect(checker.value([...place, "requestBody", "content", type, "schema"], value)).toBeUndefined();
          checked += 1;
        }
      for (const [status, { content = {} }] of Object.entries(responses))
        for (const [type, { example }] of Object.entries(content)) {
          if (example === undefined) continue;
          const schema = [...place, "responses", status, "content", type, "schema"];
          expect(checker.value(schema, example)).toBeUndefined();
          checked += 1;
        }
    }
    expect(checked).toBeGreaterThan(60);
  });
});
