import { KafkaJSProtocolError } from "kafkajs";
import { expect, test } from "vitest";
import { answered, joined } from "./answered.js";

test.each([
  ["LEADER_NOT_AVAILABLE", "LOG_UNAVAILABLE"],
  ["NOT_LEADER_FOR_PARTITION", "LOG_UNAVAILABLE"],
  ["OFFSET_OUT_OF_RANGE", 1],
])("what a broker answers is passed on unless it passes: %s", async (type, code) => {
  const answer = new KafkaJSProtocolError(Object.assign(new Error(type), { type, code: 1 }));
  await expect(answered(() => Promise.reject(answer))).rejects.toMatchObject({ code });
});

test("a question is asked once for all who wait, and never before they asked", async () => {
  const asked: { answer: (n: number) => void; fail: (error: Error) => void }[] = [];
  const ask = joined(() => new Promise<number>((answer, fail) => asked.push({ answer, fail })));
  const first = ask();
  const later = [ask(), ask(), ask()];
  expect(asked).toHaveLength(1);
  asked[0]?.answer(1);
  expect(await first).toBe(1);
  await new Promise(setImmediate);
  expect(asked).toHaveLength(2);
  asked[1]?.fail(new Error("down"));
  for (const one of await Promise.allSettled(later)) expect(one.status).toBe("rejected");
  const again = ask();
  asked[2]?.answer(3);
  expect(await again).toBe(3);
});
