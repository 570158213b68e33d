import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serverDir } from "../servers/run-dir.js";
import { hasKafka, hasPostgres, hasRedis, waitFor } from "../servers/servers.js";
import { sized } from "../support/effort.js";
import { expectRefusals } from "./outage.js";
import { postThrough } from "./under-load.js";
import { expectNothingLost, type FaultWorld, loadOf, startFaultWorld } from "./world.js";

const run = promisify(execFile);
const DISK_MIB = 96;
const EVENTS = sized(3_000, 20_000);

/** Only root may mount a small disk. */
const mountable = await canMount();
if (!mountable)
  process.stdout.write("*** NO SMALL DISK: mounting is not allowed here. The full disk's test is SKIPPED. ***\n");

describe.skipIf(!mountable || !hasKafka || !hasRedis || !hasPostgres)("a broker whose disk is full", () => {
  const tenants = ["full-1", "full-2", "full-3"];
  let disk: string | undefined;
  let world: FaultWorld;

  beforeAll(async () => {
    world = await startFaultWorld([...tenants, "outage"], {
      async beforeFormat(dataDir) {
        await mountSmall(dataDir);
        disk = dataDir;
      },
    });
  });

  afterAll(async () => {
    // The broker's folder can only be deleted once the disk is unmounted.
    await world?.kafka.kill("SIGKILL");
    if (disk !== undefined) await run("umount", ["-l", disk]);
    await world?.stop();
  });

  test("refuses usage until the disk has space and the broker is back, and recovers without intervention", async () => {
    const load = loadOf(tenants, EVENTS);
    const ballast = path.join(disk ?? "", "ballast");
    async function fill(): Promise<void> {
      await writeFile(ballast, Buffer.alloc(DISK_MIB * 1024 * 1024)).catch((error: NodeJS.ErrnoException) => {
        expect(error.code).toBe("ENOSPC");
      });
      try {
        await brokerGivesUp();
        await expectRefusals(world, "outage", 3_000);
      } finally {
        await rm(ballast);
        await world.kafka.kill("SIGKILL");
        await world.kafka.restart();
      }
    }
    /** The broker shuts down when it cannot write; until then, writes that fit into the last page may succeed. */
    async function brokerGivesUp(): Promise<void> {
      await waitFor(() => isRefused(world.kafka.port), { what: "the broker to give up" });
    }
    const events = await postThrough(world, load, [fill]);
    await expectNothingLost(world, load, events);
  });
});

function isRefused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => resolve(false)).once("error", () => resolve(true));
    socket.once("connect", () => socket.destroy());
  });
}

async function mountSmall(at: string): Promise<void> {
  await mkdir(at, { recursive: true });
  await run("mount", ["-t", "tmpfs", "-o", `size=${DISK_MIB}m`, "tmpfs", at]);
}

async function canMount(): Promise<boolean> {
  const probe = await serverDir("mount");
  try {
    await mountSmall(probe);
    await run("umount", [probe]);
    return true;
  } catch {
    return false;
  } finally {
    await rm(probe, { recursive: true, force: true });
  }
}
