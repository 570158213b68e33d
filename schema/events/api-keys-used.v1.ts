import { type Static, Type } from "@sinclair/typebox";
import { contract, epochMs } from "./contract.js";

const schema = Type.Object({
  uses: Type.Array(Type.Object({ keyId: Type.String({ minLength: 1 }), at: epochMs }), { minItems: 1 }),
});

/** When a process last saw API keys in use. Best effort: a crash loses a few seconds of it. */
export const apiKeysUsedV1 = contract("metrly.api.keys.used.v1", schema, {
  uses: [{ keyId: "key_0193", at: 1_790_000_000_000 }],
});
export type ApiKeysUsedV1 = Static<typeof apiKeysUsedV1.schema>;
