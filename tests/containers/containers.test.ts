import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHistory, wallClock } from "../oracle/history.js";
import { waitFor } from "../servers/servers.js";
import { readCompose } from "../systems/compose/compose-file.js";
import { isRole } from "../systems/compose/world.js";
import {
  expectAccounted,
  expectInvoices,
  expectTotals,
  postLoad,
  setUp,
  type Target,
} from "../systems/whole-path/proof.js";
import { openProject, type Project } from "./engine.js";

const { services } = await readCompose({});
const LASTING = Object.keys(services).filter((name) => name !== "secret");
const LARGEST_IMAGE = 450e6;

/** Only `npm run test:containers` runs this: it needs an engine, the images, and some minutes. */
describe("docker compose up", () => {
  let project: Project;
  let target: Target;

  beforeAll(async () => {
    project = await openProject({ METRLY_PARTITIONS: "8", METRLY_TICK_SECONDS: "1" });
    await project.compose("build");
    await project.compose("up", "--detach", "--wait");
    target = { url: project.url, admin: await adminToken() };
  });

  afterAll(() => project?.remove());

  const adminToken = async () => (await project.exec("gateway", "cat", "/var/lib/metrly/data/admin-token")).trim();

  test("a second one recreates nothing", async () => {
    expect(await project.compose("up", "--detach", "--wait")).not.toMatch(/Recreate/);
  });

  test("every container runs without capabilities and new privileges, on a read-only root", async () => {
    for (const name of LASTING) {
      const status = await project.exec(name, "cat", "/proc/1/status");
      expect(status, name).toMatch(/^CapEff:\s+0+$/m);
      expect(status, name).toMatch(/^CapBnd:\s+0+$/m);
      expect(status, name).toMatch(/^NoNewPrivs:\s+1$/m);
      await expect(project.exec(name, "touch", "/etc/written"), name).rejects.toThrow(/Read-only file system/);
    }
  });

  test("a server is reached by its users only, and with its password only", async () => {
    const reached = async (from: string, host: string, port: number, say = "") =>
      project.exec(from, "node", "-e", TALK, host, String(port), say).then(
        (answer) => answer.trim(),
        () => "unreachable",
      );
    expect(await reached("gateway", "redis", 6379, "PING")).toBe("unreachable");
    expect(await reached("gateway", "billing-db", 5432)).toBe("unreachable");
    expect(await reached("quota", "billing-db", 5432)).toBe("unreachable");
    expect(await reached("billing", "billing-db", 5432)).toBe("connected");
    expect(await reached("billing", "redis", 6379, "PING")).toBe("+PONG");
    expect(await reached("billing", "redis", 6379, "KEYS *")).toMatch(/^-NOPERM/);
    await expect(project.exec("billing", "node", "-e", KAFKA_WITHOUT_PASSWORD)).rejects.toThrow();
  });

  test("the image has nothing that no role runs", async () => {
    const extra = await project.exec("billing", "find", "/app/node_modules", "-name", "*.map", "-o", "-name", "*.ts");
    expect(extra.trim()).toBe("");
    const size = await project.docker("image", "inspect", "metrly:local", "--format", "{{.Size}}");
    expect(Number(size)).toBeLessThan(LARGEST_IMAGE);
  });

  test("what is acknowledged while a role gets a replica and another is killed is counted once, and billed", async () => {
    const load = { events: 2_000, tenants: ["acme", "umbrella"], seed: 1 };
    const judged = { ...target, history: createHistory(wallClock) };
    const key = await setUp(judged, load);
    let isDisturbed = false;
    let disturbed: Promise<unknown> = Promise.resolve();
    const events = await postLoad(judged, key, load, {
      beforeBatch(share) {
        if (isDisturbed || share < 0.2) return;
        isDisturbed = true;
        disturbed = project
          .compose("up", "--detach", "--wait", "--scale", "ingestion=2")
          .then((printed) => expect(printed).not.toMatch(/Recreate/))
          // Not `docker kill`: what is killed so is not restarted.
          .then(() => project.exec("billing", "sh", "-c", KILL));
      },
      hold: () => false,
    });
    await disturbed;
    await expectAccounted(judged, load, events);
    await expectTotals(judged, load, events);
    await expectInvoices(judged, load, events);
  });

  test("stops with exit code 0, keeps everything, and leaves no volume without a name", async () => {
    await project.compose("stop");
    const states = await project.compose("ps", "--all", "--format", "{{.Service}} {{.ExitCode}}");
    const roles = states.split("\n").filter((line) => isRole(services[line.split(" ")[0] ?? ""] ?? { image: "" }));
    expect(roles.length).toBeGreaterThan(0);
    for (const line of roles) expect(line).toMatch(/ 0$/);
    const volumesBefore = await project.docker("volume", "ls", "--quiet");
    await project.compose("down");
    expect(await project.docker("volume", "ls", "--quiet")).toBe(volumesBefore);
    expect(volumesBefore).not.toMatch(/^[0-9a-f]{64}$/m);
    await project.compose("up", "--detach", "--wait");
    expect(await adminToken()).toBe(target.admin);
    const answer = await waitFor(() => fetch(`${project.url}/readyz`), { what: "the edge" });
    expect(answer.status).toBe(200);
  });
});

/** Connects, says one line, prints what is answered first. */
const TALK = `
const [host, port, say] = process.argv.slice(1);
const socket = require("node:net").connect(Number(port), host);
socket.setTimeout(3000, () => process.exit(1));
socket.on("error", () => process.exit(1));
socket.on("connect", () => (say === "" ? console.log("connected") : socket.write(say + "\\r\\n")));
socket.on("connect", () => say === "" && process.exit(0));
socket.on("data", (bytes) => { console.log(String(bytes)); process.exit(0); });
`;

/** The role itself, below the init process. */
const KILL = `for p in /proc/[2-9]* /proc/1?*; do
  grep -qs 'dist/cli/[m]etrly.js' $p/cmdline && kill -9 \${p#/proc/}
done; true`;

const KAFKA_WITHOUT_PASSWORD = `
const { Kafka } = require("kafkajs");
const admin = new Kafka({ brokers: ["kafka:9092"], logLevel: 0, retry: { retries: 0 } }).admin();
admin.connect().then(() => admin.listTopics()).then(() => process.exit(0), () => process.exit(1));
`;
