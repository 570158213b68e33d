import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test, vi } from "vitest";
import { portOf } from "#platform/http/server.js";
import { addressFile, adminTokenFile } from "../connection/address.js";
import { examine } from "./doctor.js";

test("another program at Metrly's address is one finding among the others", async () => {
  const dataDir = await mkdtemp(path.join(tmpdir(), "metrly-doctor-"));
  const stranger = createServer((_request, response) => response.end("ok"));
  const stdout = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    await once(stranger.listen(0, "127.0.0.1"), "listening");
    await writeFile(addressFile(dataDir), `http://127.0.0.1:${portOf(stranger)}\n`);
    await writeFile(adminTokenFile(dataDir), "token\n", { mode: 0o600 });
    await expect(examine({ json: true }, { METRLY_DATA_DIR: dataDir })).rejects.toThrow("1 of 5 checks failed");
    const findings = stdout.mock.calls.map(([line]) => JSON.parse(String(line)));
    expect(findings.map(({ what, ok }) => [what, ok])).toEqual([
      ["Node", true],
      ["configuration", true],
      ["data directory", true],
      ["address", false],
      ["unbilled usage", undefined],
    ]);
    expect(findings[3].said).toContain("another program answers");
  } finally {
    stdout.mockRestore();
    stranger.close();
    await rm(dataDir, { recursive: true, force: true });
  }
});
