import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseEnv } from "node:util";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { parse } from "yaml";
import { packageRoot } from "#platform/process/package-root.js";

/** A volume or folder, as `source:target` or in the long form. */
const MountShape = Type.Union([Type.String(), Type.Object({ source: Type.String(), target: Type.String() })]);

/** The part of a service that defines its process. */
const ServiceShape = Type.Object({
  image: Type.String(),
  build: Type.Optional(Type.Union([Type.String(), Type.Object({})])),
  entrypoint: Type.Optional(Type.Array(Type.String())),
  command: Type.Optional(Type.Array(Type.String())),
  environment: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()]))),
  depends_on: Type.Optional(
    Type.Record(
      Type.String(),
      Type.Object({
        condition: Type.Union([Type.Literal("service_healthy"), Type.Literal("service_completed_successfully")]),
      }),
    ),
  ),
  healthcheck: Type.Optional(Type.Object({ test: Type.Array(Type.String()) })),
  volumes: Type.Optional(Type.Array(MountShape)),
  ports: Type.Optional(Type.Array(Type.String())),
  networks: Type.Optional(Type.Array(Type.String())),
  restart: Type.Optional(Type.String()),
  pull_policy: Type.Optional(Type.String()),
  read_only: Type.Optional(Type.Boolean()),
  tmpfs: Type.Optional(Type.Array(Type.String())),
  cap_drop: Type.Optional(Type.Array(Type.String())),
  cap_add: Type.Optional(Type.Array(Type.String())),
  security_opt: Type.Optional(Type.Array(Type.String())),
  mem_limit: Type.Optional(Type.String()),
  pids_limit: Type.Optional(Type.Number()),
  logging: Type.Optional(Type.Object({ driver: Type.String() })),
});
const ComposeShape = Type.Object({ services: Type.Record(Type.String(), ServiceShape) });

export type ComposeService = Static<typeof ServiceShape>;
export type Compose = Static<typeof ComposeShape>;

/** Where from and where to: a named volume, or a path. */
export function mountsOf({ volumes = [] }: ComposeService): readonly { source: string; target: string }[] {
  return volumes.map((volume) => {
    if (typeof volume !== "string") return volume;
    const [source = "", target = ""] = volume.split(":");
    return { source, target };
  });
}

/** Named volumes, not folders of the host. */
export const isVolume = (source: string): boolean => /^\w/.test(source);

type Env = Readonly<Record<string, string | undefined>>;

/** The repository's docker-compose.yml as `docker compose` would read it with these variables, e.g. from `.env`. */
export async function readCompose(env: Env): Promise<Compose> {
  const compose = interpolate(await parseCompose(), env);
  if (!Value.Check(ComposeShape, compose)) {
    const [first] = [...Value.Errors(ComposeShape, compose)];
    throw new Error(`docker-compose.yml: ${first?.path} ${first?.message}`);
  }
  return compose;
}

/** As written, with anchors and merges resolved. */
export async function parseCompose(): Promise<unknown> {
  return parse(await readFile(path.join(packageRoot(), "docker-compose.yml"), "utf8"), { merge: true });
}

/** The environment after copying `.env.example` to `.env` unchanged. */
export async function exampleEnvironment(): Promise<Env> {
  return parseEnv(await readFile(path.join(packageRoot(), ".env.example"), "utf8"));
}

/**
 * `$$`, `${NAME}`, `${NAME:-default}`, `${NAME:+replacement}` and `${NAME:?message}`, in values, as in the Compose
 * specification's chapter on interpolation. Anything else with a `$` is an error: the file should not need it.
 */
export function interpolate(value: unknown, env: Env): unknown {
  if (typeof value === "string") return interpolateText(value, env);
  if (Array.isArray(value)) return value.map((item) => interpolate(item, env));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, interpolate(item, env)]));
}

function interpolateText(text: string, env: Env): string {
  return text.replaceAll(/\$(?:(\$)|\{(\w+)(?:(:[-+?])([^}]*))?\}|)/g, (found, dollar, name, kind, rest) => {
    if (dollar !== undefined) return "$";
    if (name === undefined) throw new Error(`${found} in "${text}" is not understood`);
    const given = env[name];
    if (given !== undefined && given !== "") return kind === ":+" ? rest : given;
    if (kind === ":+") return "";
    if (kind === ":?") throw new Error(`${name} is not set: ${rest}`);
    return kind === ":-" ? rest : (given ?? "");
  });
}
