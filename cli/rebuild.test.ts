import { expect, test } from "vitest";
import { progressOn } from "./rebuild.js";

test("usage that arrives during a rebuild does not move its bar back", () => {
  const shown: string[] = [];
  const out = progressOn({ isTTY: true, write: (text: string | Uint8Array) => shown.push(String(text)) > 0 });
  const of = (entries: number, of: number) => out.show({ kind: "progress", entries, of, events: entries });
  of(50, 100);
  of(100, 100);
  of(150, 200);
  of(200, 200);
  expect(shown.map((line) => /(\d+) %/.exec(line)?.[1])).toEqual(["50", "100", "100", "100"]);
});
