import { expect, test } from "vitest";
import { meaningOfSignals } from "./stop-signals.js";

function meanings(at: readonly number[], isUnderNpm = false): string[] {
  return at.map(meaningOfSignals({ isUnderNpm }));
}

test.each<{ name: string; at: number[] }>([
  { name: "one Ctrl-C, which npm passes on", at: [0, 5] },
  { name: "two within a second", at: [0, 5, 300, 304] },
  { name: "a key that is held down", at: [0, 33, 66, 99, 132, 165] },
  { name: "one that npm passes on after a second of standstill", at: [0, 1_500] },
])("under npm, $name: stops once and does not hurry", ({ at }) => {
  expect(meanings(at, true)).toEqual(["stop", ...at.slice(1).map(() => "nothing")]);
});

test.each<{ name: string; at: number[] }>([
  { name: "the third within a second", at: [0, 5, 300, 304, 600] },
  { name: "a second one after a second", at: [0, 5, 1_005] },
  { name: "a second one after a second, with the first passed on late", at: [0, 1_200, 1_500] },
  { name: "a second kill, 5 s after one that came once", at: [0, 5_000] },
])("under npm, $name hurries", ({ at }) => {
  expect(meanings(at, true)).toEqual(["stop", ...at.slice(2).map(() => "nothing"), "hurry"]);
});

test.each([true, false])("a key that is held down for over a second is one request (under npm: %s)", (isUnderNpm) => {
  const heldFor4Seconds = Array.from({ length: 120 }, (_, n) => n * 33);
  expect(meanings(heldFor4Seconds, isUnderNpm)).toEqual(["stop", ...heldFor4Seconds.slice(1).map(() => "nothing")]);
  expect(meanings([...heldFor4Seconds, 5_000], isUnderNpm).at(-1)).toBe("hurry");
});

test("without npm, the third of a second hurries, or a second one after that", () => {
  expect(meanings([0, 500])).toEqual(["stop", "nothing"]);
  expect(meanings([0, 300, 600])).toEqual(["stop", "nothing", "hurry"]);
  expect(meanings([0, 999])).toEqual(["stop", "nothing"]);
  expect(meanings([0, 1_000])).toEqual(["stop", "hurry"]);
});
