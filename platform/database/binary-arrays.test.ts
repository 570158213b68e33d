import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestDatabase, hasPostgres } from "../../tests/servers/servers.js";
import { runs } from "../../tests/support/effort.js";
import { bigintArray, byteaArray, uuidArray } from "./binary-arrays.js";
import { type Database, openDatabase } from "./database.js";

describe.skipIf(!hasPostgres)("arrays in binary form", () => {
  let created: Awaited<ReturnType<typeof createTestDatabase>>;
  let database: Database;
  beforeAll(async () => {
    created = await createTestDatabase("binary_arrays");
    database = await openDatabase({ url: created.url, onError: () => undefined });
  });
  afterAll(async () => {
    await database?.stop();
    await created?.drop();
  });

  const first = async (text: string, value: Buffer): Promise<unknown> =>
    (await database.pool.query<{ read: unknown }>(text, [value])).rows[0]?.read;
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

  test("the server reads the same uuids, numbers and bytes", async () => {
    const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 });
    const bigint = fc.oneof(
      fc.constantFrom(0, -1, 1, 2 ** 31, 2 ** 32, -(2 ** 32), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
      fc.maxSafeInteger(),
    );
    const listOf = <T>(one: fc.Arbitrary<T>) => fc.array(fc.option(one, { nil: null }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(uuid, { maxLength: 20 }),
        listOf(bigint),
        listOf(fc.uint8Array({ maxLength: 40 })),
        async (uuids, numbers, bytes) => {
          const texts = await first(
            "SELECT coalesce(json_agg(replace(u::text, '-', '') ORDER BY n), '[]') AS read FROM unnest($1::uuid[]) WITH ORDINALITY AS a (u, n)",
            uuidArray(uuids.map((one) => Buffer.from(one).toString("latin1"))),
          );
          expect(texts).toEqual(uuids.map(hex));
          const whole = await first(
            "SELECT coalesce(json_agg(b::text ORDER BY n), '[]') AS read FROM unnest($1::bigint[]) WITH ORDINALITY AS a (b, n)",
            bigintArray(numbers),
          );
          expect(whole).toEqual(numbers.map((number) => (number === null ? null : String(number))));
          const raw = await first(
            "SELECT coalesce(json_agg(encode(b, 'hex') ORDER BY n), '[]') AS read FROM unnest($1::bytea[]) WITH ORDINALITY AS a (b, n)",
            byteaArray(bytes.map((one) => (one === null ? null : Buffer.from(one)))),
          );
          expect(raw).toEqual(bytes.map((one) => (one === null ? null : hex(one))));
        },
      ),
      { numRuns: runs(60) },
    );
  });
});

test("what is no uuid or whole number is refused before it is sent", () => {
  for (const uuid of ["", "k".repeat(15), "k".repeat(36)]) expect(() => uuidArray([uuid])).toThrow(RangeError);
  for (const number of [0.5, Number.NaN, 2 ** 53]) expect(() => bigintArray([number])).toThrow(RangeError);
});
