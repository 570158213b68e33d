import { expect, test } from "vitest";
import { namesWorthComparing, nearestName } from "./suggestion.js";

test("of many names the nearest is found, and only a few are compared", () => {
  const names = Array.from({ length: 100 }, (_, n) => `api_gateway_requests_region_${n}`);
  for (const [text, nearest] of [
    ["api_gateway_requests_regoin_42", "api_gateway_requests_region_42"],
    ["API_gateway_request_region_7", "api_gateway_requests_region_7"],
    ["api_gateway_requests_region_999", "api_gateway_requests_region_99"],
    ["nothing of it", undefined],
    ["x".repeat(65), undefined],
  ] as const)
    expect(nearestName(text, names)).toBe(nearest);
  expect(namesWorthComparing("api_gateway_requests_regoin_42", names)).toHaveLength(4);
  expect(namesWorthComparing("x".repeat(65), names)).toEqual([]);
});

test("only the first 200 names are looked at", () => {
  const names = Array.from({ length: 200 }, (_, n) => `other${n}`);
  expect(nearestName("tokns", [...names.slice(1), "tokens"])).toBe("tokens");
  expect(nearestName("tokns", [...names, "tokens"])).toBeUndefined();
});
