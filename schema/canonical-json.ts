import { createRequire } from "node:module";

// The package is CommonJS with types that claim an ES default export, so a plain import type-checks only where it fails.
const require = createRequire(import.meta.url);
const serialize: (value: unknown) => unknown = require("canonicalize");

/** Canonical JSON text (RFC 8785): equal values have equal bytes. Throws for values without a JSON representation. */
export function canonicalJson(value: unknown): string {
  const text = serialize(value);
  if (typeof text !== "string") throw new TypeError("the value has no JSON representation");
  return text;
}
