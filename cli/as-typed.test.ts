import { expect, test } from "vitest";
import { asTyped, dataDirSetting, startAsTyped } from "./as-typed.js";

test.each([
  ["npx in a checkout", "/home/a/.npm/_npx/1/node_modules/.bin/metrly", "npx", "npx metrly"],
  ["npx beside other packages", "/home/a/project/node_modules/.bin/metrly", "npx", "npx metrly"],
  ["npm start", "/home/a/project/dist/cli/metrly.js", "start", "npx metrly"],
  ["a script of npm, of a global installation", "/usr/bin/metrly", "serve", "metrly"],
  ["a global installation", "/usr/bin/metrly", undefined, "metrly"],
  ["a link that is not on the PATH", "/home/a/project/node_modules/.bin/metrly", undefined, "node_modules/.bin/metrly"],
  ["a link beside it", "/home/a/project/metrly", undefined, "./metrly"],
  ["node in a checkout", "/home/a/project/dist/cli/metrly.js", undefined, "node dist/cli/metrly.js"],
  ["node from elsewhere", "/opt/my metrly/dist/cli/metrly.js", undefined, "node '/opt/my metrly/dist/cli/metrly.js'"],
])("a command can be typed as it is shown: started by %s", (_, script, event, expected) => {
  const onPath = ["/usr/bin", ...(event === undefined ? [] : [script.replace(/\/[^/]*$/, "")])];
  const env = { PATH: onPath.join(":"), npm_lifecycle_event: event };
  expect(asTyped("tenants list", { script, cwd: "/home/a/project", env })).toBe(`${expected} tenants list`);
});

test.each([
  ["a checkout", "npx", "/home/a/project", "npm start"],
  ["a project beside it", "npx", "/home/a/other", "npx metrly serve"],
  ["a checkout, without npm", undefined, "/home/a/project", "node dist/cli/metrly.js serve"],
])("the system is started as in %s", (_, event, root, expected) => {
  const [cwd, env] = ["/home/a/project", { PATH: "/usr/bin", npm_lifecycle_event: event }];
  expect(startAsTyped({ script: "/home/a/project/dist/cli/metrly.js", cwd, env }, root)).toBe(expected);
});

test("a command names the data directory if it is not the default", () => {
  expect(dataDirSetting({})).toBe("");
  expect(dataDirSetting({ METRLY_DATA_DIR: "/tmp/second" })).toBe("METRLY_DATA_DIR=/tmp/second ");
});
