import { Type } from "@sinclair/typebox";
import { contract, epochMs } from "./contract.js";

const schema = Type.Object({
  uses: Type.Array(Type.Object({ keyId: Type.String({ minLength: 1 }), at: epochMs }), { minItems: 1 }),
});

/** When a process last saw each of some API keys used. Best effort: a process that dies takes a few seconds of it along. */
export const apiKeysUsedV1 = contract("metrly.api.keys.used.v1", schema, {
  uses: [{ keyId: "key_0193", at: 1_790_000_000_000 }],
});
