import { expect, test } from "vitest";
import { UserError } from "../connection/failure.js";
import { patiently } from "./patient.js";

test("what a service refuses for the moment is asked again, and nothing else", async () => {
  const answers = [new UserError("UNAVAILABLE: later", "UNAVAILABLE"), new UserError("BUSY: later", "BUSY"), "there"];
  const next = async () => {
    const answer = answers.shift();
    if (typeof answer === "string") return answer;
    throw answer;
  };
  expect(await patiently(next)).toBe("there");
  answers.push(new UserError("INVALID: no", "INVALID"), "never asked for");
  await expect(patiently(next)).rejects.toThrow("INVALID: no");
  expect(answers).toEqual(["never asked for"]);
});
