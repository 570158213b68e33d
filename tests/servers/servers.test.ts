import pg from "pg";
import { describe, expect, test } from "vitest";
import { createTestDatabase, databaseUrl, hasPostgres, waitFor } from "./servers.js";

describe.skipIf(!hasPostgres)("a test database", () => {
  test("is empty, its own, and gone after drop even with clients connected", async () => {
    const [one, other] = await Promise.all([createTestDatabase("same name"), createTestDatabase("same name")]);
    expect(one.url).not.toBe(other.url);
    const client = new pg.Client({ connectionString: one.url });
    client.on("error", () => undefined);
    await client.connect();
    await client.query("CREATE TABLE t (a int)");
    await Promise.all([one.drop(), other.drop()]);
    await expect(connect(one.url)).rejects.toMatchObject({ code: "3D000" });
    await connect(databaseUrl());
  });
});

async function connect(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
  } finally {
    await client.end();
  }
}

test("waitFor gives what the condition gave, and after the deadline says what it waited for and why", async () => {
  let calls = 0;
  expect(await waitFor(() => ++calls === 3 && "there", { what: "three calls" })).toBe("there");
  const failure = waitFor(() => Promise.reject(new Error("still down")), { what: "the moon", deadlineMs: 30 });
  await expect(failure).rejects.toMatchObject({ message: "waited 30 ms for the moon", cause: new Error("still down") });
});
