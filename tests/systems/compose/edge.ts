import { cp, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { findNginx } from "../../servers/nginx.js";
import { serverDir } from "../../servers/run-dir.js";
import { type ServerProcess, startServerProcess } from "../../servers/server-process.js";
import { freePort, waitFor } from "../../servers/servers.js";

export interface Edge extends ServerProcess {
  readonly url: string;
}

/**
 * nginx with the repository's own configuration, started with the compose file's `command`; only the upstreams and the port are
 * this machine's. `addresses` are the host:port of each replica by service name; `settings` replace directives, so that a test
 * meets a limit soon.
 */
export async function startEdge(
  command: readonly string[],
  addresses: ReadonlyMap<string, readonly string[]>,
  settings: Readonly<Record<string, string>> = {},
): Promise<Edge> {
  const program = await findNginx();
  const dir = await serverDir("edge");
  const port = await freePort();
  const configuration = path.join(dir, "conf");
  await cp(path.join(packageRoot(), "deploy/edge"), configuration, { recursive: true });
  await rewrite(path.join(configuration, "nginx.conf"), (text) =>
    text.replace(/^(\s*listen) 4000;$/m, `$1 127.0.0.1:${port};`),
  );
  for (const [directive, value] of Object.entries(settings))
    await rewrite(path.join(configuration, "nginx.conf"), (text) =>
      text.replace(new RegExp(`(${directive}) \\w+;`), `$1 ${value};`),
    );
  await rewrite(path.join(configuration, "upstreams.conf"), (text) => mapUpstreams(text, addresses));
  const server = await startServerProcess({
    name: "nginx",
    command: program.command,
    args: nginxArguments(command, dir, configuration),
    env: program.env,
    dir,
    // nginx logs nothing without problems.
    readyLine: /^/,
  });
  const url = `http://127.0.0.1:${port}`;
  await waitFor(async () => (await fetch(`${url}/healthz`)).ok, { what: "nginx to answer" }).catch(async (error) => {
    const said = await readFile(path.join(dir, "log"), "utf8");
    await server.stop();
    throw new Error(`${String(error)}\n${said}`, { cause: error });
  });
  return { ...server, url };
}

/** `nginx -p /tmp -c /etc/nginx/edge/nginx.conf …` with this machine's folders. */
function nginxArguments(command: readonly string[], dir: string, configuration: string): string[] {
  const args = command.slice(1).map((arg) => arg.replace(/^\/etc\/nginx\/edge(?=\/)/, configuration));
  const prefix = args.indexOf("-p");
  if (command[0] !== "nginx" || prefix < 0)
    throw new Error(`the edge is not started by nginx -p: ${command.join(" ")}`);
  args[prefix + 1] = dir;
  // Workers of a root master run as an unprivileged user who cannot enter `dir`; in the container no process is root.
  return process.getuid?.() === 0 ? [...args, "-g", "user root;"] : args;
}

/** One `server` line per address instead of a name; without Docker's resolver nothing is resolved again. */
function mapUpstreams(text: string, addresses: ReadonlyMap<string, readonly string[]>): string {
  return text
    .replaceAll(/^resolver(_timeout)? .*$/gm, "")
    .replaceAll(/^( *)server (\w+):4000 resolve(.*);$/gm, (_, indent: string, name: string, rest: string) => {
      const found = addresses.get(name);
      if (found === undefined) throw new Error(`upstreams.conf names ${name}, which is no service`);
      return found.map((address) => `${indent}server ${address}${rest};`).join("\n");
    });
}

async function rewrite(file: string, change: (text: string) => string): Promise<void> {
  const before = await readFile(file, "utf8");
  const after = change(before);
  if (after === before) throw new Error(`${path.basename(file)} is not what the test expects to map`);
  await writeFile(file, after);
}
