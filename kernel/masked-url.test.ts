import { expect, test } from "vitest";
import { maskedUrl, withoutUrl } from "./masked-url.js";

test.each([
  ["https://hooks.slack.com/services/T1/B2/XyZ", "https://hooks.slack.com/***"],
  ["slack+https://chat.example:8443/services/T1/B2/XyZ", "slack+https://chat.example:8443/***"],
  ["https://example.com/?token=abc", "https://example.com/***"],
  ["https://user:word@example.com/", "https://example.com/***"],
  ["https://example.com/#abc", "https://example.com/***"],
  ["https://example.com/slack+x", "https://example.com/***"],
  ["https://example.com/", "https://example.com/"],
  ["mailto:ops@example.com", "mailto:ops@example.com"],
  ["no address", "***"],
])("%s is shown as %s", (address, shown) => {
  expect(maskedUrl(address)).toBe(shown);
});

test("what a receiver repeats of its address is masked, also in parts and decoded", () => {
  const address = "https://example.com/services/T1/s%2Bcret-9/notify?key=k%20ey7";
  for (const text of [
    "Cannot POST /services/T1/s%2Bcret-9/notify?key=k%20ey7",
    "no team for s+cret-9",
    '{"key":"k ey7"}',
    "/services/T1/s%2Bcret-9/notify",
  ])
    expect(withoutUrl(text, address)).not.toMatch(/cret-9|ey7/);
  expect(withoutUrl("our services are down", address)).toBe("our services are down");
  expect(withoutUrl("ops@example.com is full", "mailto:ops@example.com")).toBe("ops@example.com is full");
});

test("however it spells the address, and wherever its text was cut", () => {
  const address = "https://example.com/services/T1/qZkLmNopQrStUv/s+cret-9x/notify?key=aB3$d";
  for (const text of [
    String.raw`{"url":"https:\/\/example.com\/services\/T1\/qZkLmNopQrStUv\/s+cret-9x\/notify"}`,
    "?url=https%3A%2F%2Fexample.com%2Fservices%2FT1%2FqZkLmNopQrStUv%2Fs%2Bcret-9x",
    "NO TEAM QZKLMNOPQRSTUV",
    "no team for s%2Bcret-9x",
    "key ab3$d is wrong",
  ])
    expect(withoutUrl(text, address)).not.toMatch(/cret-9|ZkLmNop|aB3.d/i);
  const whole = `${"x".repeat(50)} Cannot POST /services/T1/qZkLmNopQrStUv/s+cret-9x/notify?key=aB3$d`;
  for (let length = 50; length <= whole.length; length += 1)
    expect(withoutUrl(whole.slice(0, length), address)).not.toMatch(/qZkL|s\+cr|aB3/);
  for (const word of ["our services are down", "Notify the API", "a+b", "T1"])
    expect(withoutUrl(word, address)).toBe(word === "T1" ? "***" : word);
});

test("words of the address are no secrets: a capital and lower-case letters, at most 19, or up to four capitals", () => {
  const words = ["Hooks", "API", "x", "n".repeat(19), `N${"n".repeat(19)}`, "ABCD"];
  const secrets = ["ABCDE", "n".repeat(20), "hOok", "nine9", "x_y"];
  for (const word of words)
    expect(withoutUrl(`${word}: none, and/or 7`, `https://example.com/${word}/7`)).toBe(`${word}: none, and/or 7`);
  for (const secret of secrets)
    expect(withoutUrl(`${secret}: none`, `https://example.com/${secret}`)).toBe("***: none");
  expect(withoutUrl("of words /a/b", "https://example.com/a/b")).toBe("of words ***");
  expect(withoutUrl(String.raw`of words \/a\/b, escaped`, "https://example.com/a/b")).toBe("of words ***, escaped");
});

test("a secret within another leaves nothing of the longer one", () => {
  expect(withoutUrl("no team x-ab1-y", "https://example.com/ab1/x-ab1-y")).toBe("no team ***");
});

test("all of a path with its query, and what is left of a secret at the end, are masked as one", () => {
  const address = "https://example.com/T1/qZkLmNopQr?key=aB3d9";
  expect(withoutUrl("Cannot POST /T1/qZkLmNopQr?key=aB3d9: gone", address)).toBe("Cannot POST ***: gone");
  expect(withoutUrl("no team qZkLmN", address)).toBe("no team ***");
  expect(withoutUrl("no team qZkLmN", "no address")).toBe("no team qZkLmN");
});
