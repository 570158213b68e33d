import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { freePort } from "../../servers/servers.js";
import { nodeFlags } from "../../support/node-flags.js";
import { type Compose, type ComposeService, isVolume, mountsOf } from "./compose-file.js";
import { type Image, onThisMachine } from "./image.js";
import { startRoundRobin } from "./round-robin.js";

/** This machine's replacements for the compose file's names: hosts, ports, volumes, the image's programs. */
export interface World {
  readonly compose: Compose;
  readonly image: Image;
  /** Of this run: volumes, logs, working directories. */
  readonly dir: string;
  /** Cleanups, in the order of starts. */
  readonly closers: (() => Promise<void>)[];
  /** `service:port` in the compose file -> host:port here. */
  readonly addresses: Map<string, string>;
  /** The ports of each replica of a role. */
  readonly ports: Map<string, readonly number[]>;
}

interface Addresses {
  readonly addresses: ReadonlyMap<string, string>;
}

const ROLE_PORT = 4000;

/** Its name in the compose file. */
export const roleAddress = (role: string): string => `${role}:${ROLE_PORT}`;

const IMAGE = "metrly:local";

export const isRole = (service: ComposeService): boolean =>
  service.image === IMAGE && service.healthcheck !== undefined;

/** Chooses the ports of each role in advance. */
export async function placeRoles(world: World, replicas: number): Promise<void> {
  for (const [name, service] of Object.entries(world.compose.services)) {
    if (!isRole(service)) continue;
    const ports: number[] = [];
    while (ports.length < replicas) ports.push(await freePort());
    world.ports.set(name, ports);
    world.addresses.set(roleAddress(name), await sharedAddress(world, replicasOf(world, name)));
  }
}

async function sharedAddress(world: World, addresses: readonly string[]): Promise<string> {
  const [only, ...others] = addresses;
  if (only !== undefined && others.length === 0) return only;
  const shared = await startRoundRobin(addresses);
  world.closers.push(() => shared.close());
  return shared.address;
}

/** The addresses of each replica of a role. */
export function replicasOf(world: World, role: string): readonly string[] {
  return (world.ports.get(role) ?? []).map((port) => `127.0.0.1:${port}`);
}

/** Docker's names, except for the first one. */
export const replicaName = (role: string, n: number): string => (n === 0 ? role : `${role}-${n + 1}`);

/** The image's entrypoint and the service's command. */
export function commandOf(world: World, service: ComposeService): readonly [string, ...string[]] {
  const words = [...(service.entrypoint ?? world.image.entrypoint), ...(service.command ?? [])];
  const [command, ...args] = words.map((word) => inFoldersHere(world, service, onThisMachine(word)));
  if (command === undefined) throw new Error("a service without a command");
  return command === process.execPath ? [command, ...nodeFlags, ...args] : [command, ...args];
}

/** The container's whole environment, with this machine's addresses and folders. */
export function envOf(
  world: Pick<World, "image" | "dir"> & Addresses,
  service: ComposeService,
): Record<string, string> {
  const env = { ...world.image.env, ...environmentOf(service), METRLY_HOST: "127.0.0.1", PATH: process.env.PATH ?? "" };
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, inFoldersHere(world, service, withAddresses(world, value))]),
  );
}

function withAddresses({ addresses }: Addresses, text: string): string {
  let mapped = text;
  for (const [from, to] of addresses) mapped = mapped.replace(new RegExp(`(?<![\\w-])${from}(?!\\d)`, "g"), to);
  return mapped;
}

/** `gateway:/var/lib/metrly/data` becomes a folder of this run, also inside a script. */
export function inFoldersHere({ dir }: Pick<World, "dir">, service: ComposeService, text: string): string {
  let mapped = text;
  for (const { source, target } of mountsOf(service))
    mapped = mapped.replaceAll(
      target,
      isVolume(source) ? volumeDir({ dir }, source) : path.resolve(packageRoot(), source),
    );
  return mapped;
}

export function volumeDir({ dir }: Pick<World, "dir">, name: string): string {
  return path.join(dir, "volumes", name);
}

export function volumesOf({ services }: Compose): readonly string[] {
  const sources = Object.values(services).flatMap((service) => mountsOf(service).map(({ source }) => source));
  return sources.filter(isVolume);
}

export function environmentOf(service: ComposeService): Record<string, string> {
  return Object.fromEntries(Object.entries(service.environment ?? {}).map(([name, value]) => [name, String(value)]));
}
