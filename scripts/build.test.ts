import { fork } from "node:child_process";
import path from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { build } from "../tests/support/build.js";

test("a stack trace of a built program names the sources", async () => {
  await build();
  const program = fork(path.join(packageRoot(), "dist/chunks/pdf-child.js"), {
    execArgv: ["--enable-source-maps"],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  program.send({ paper: {}, size: "A4" });
  expect(await text(program.stderr ?? Readable.from([]))).toMatch(/at .*platform\/paper\/\S+\.ts:\d+:\d+/);
});
