import { fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { build } from "../tests/support/build.js";

test("a stack trace of a built program names the sources", async () => {
  await build();
  const program = fork(path.join(packageRoot(), "dist/chunks/print-child.js"), {
    execArgv: ["--enable-source-maps"],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  program.send({ invoice: {}, format: {} });
  const [answer] = await once(program, "message");
  expect(answer).toMatchObject({ bug: expect.stringMatching(/at .*platform\/paper\/\S+\.ts:\d+:\d+/) });
});
