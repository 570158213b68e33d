import { expect, test } from "vitest";
import { maskedUrl, withoutUrl } from "./masked-url.js";

test.each([
  ["https://hooks.slack.com/services/T1/B2/XyZ", "https://hooks.slack.com/***"],
  ["slack+https://chat.example:8443/services/T1/B2/XyZ", "slack+https://chat.example:8443/***"],
  ["https://example.com/?token=abc", "https://example.com/***"],
  ["https://user:word@example.com/", "https://example.com/***"],
  ["https://example.com/#abc", "https://example.com/***"],
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
