import { expect, test } from "vitest";
import { channelOf, isMailAddress } from "./channel.js";
import { streamOf } from "./notice.js";
import { OPERATORS, toldTenant } from "./operators.js";

test.each([
  ["mailto:ops@example.com", { kind: "mail", to: "ops@example.com" }],
  ["MAILTO:ops@example.com", { kind: "mail", to: "ops@example.com" }],
  ["slack+https://chat.example/x", { kind: "slack", url: "https://chat.example/x" }],
  ["https://hooks.slack.com/services/T1", { kind: "slack", url: "https://hooks.slack.com/services/T1" }],
  ["https://hooks.slack.com.example/x", { kind: "webhook", url: "https://hooks.slack.com.example/x" }],
  ["https://example.com/?mailto:a@b.c", { kind: "webhook", url: "https://example.com/?mailto:a@b.c" }],
  ["no address", { kind: "webhook", url: "no address" }],
] as const)("%s is %j", (target, channel) => {
  expect(channelOf(target)).toEqual(channel);
});

test("a mail address is one plain address of at most 254 characters", () => {
  const long = (length: number) => `${"a".repeat(length - "@example.com".length)}@example.com`;
  for (const address of ["a@b.co", "a.b+c_d@ex-ample.co.uk", "A@B.CO", "ü@example.com", long(254)])
    expect(isMailAddress(address), address).toBe(true);
  const wrong = ["", "a", "@b.co", "a@", "a@b", "a@b.", "a@.co", "a b@c.de", "a@b c.de", "a,b@c.de", "a@b.co,c@d.ef"];
  const more = [
    "<a@b.co>",
    "A <a@b.co>",
    '"a"@b.co',
    "a@b.co\r\nBcc: c@d.ef",
    "a%b@c.de",
    "a?b@c.de",
    "a&b@c.de",
    "a@b@c.de",
  ];
  for (const address of [...wrong, ...more, "a@b_c.de", "a@b.c!", long(255)])
    expect(isMailAddress(address), address).toBe(false);
});

test("a tenant's alerts are numbered together, other types each for itself", () => {
  expect((["quota.warning", "quota.exceeded", "invoice.generated"] as const).map(streamOf)).toEqual([
    ...["quota", "quota", "invoice.generated"],
  ]);
});

test("an operator's endpoint has no tenant", () => {
  // Stored: rows of other versions have it, too.
  expect(OPERATORS).toBe("");
  expect([OPERATORS, "acme"].map(toldTenant)).toEqual([null, "acme"]);
});
