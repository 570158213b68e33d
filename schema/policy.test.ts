import { expect, test } from "vitest";
import { authorize, type Identity, maySee, type Operation, POLICY } from "./policy.js";
import type { Role } from "./vocabulary.js";

const who = (role: Role | undefined, tenantId: string | null): Identity => ({
  kind: "USER",
  id: "u",
  tenantId,
  roles: role === undefined ? [] : [role],
  scopes: [],
});
const OPERATIONS = Object.keys(POLICY) as Operation[];
const RANK = ["AUTHENTICATED", "TENANT_VIEWER", "TENANT_ADMIN", "PLATFORM_ADMIN"];

test.each(OPERATIONS)("%s: each role, own and other tenant", (operation) => {
  for (const [rank, role] of ([undefined, "TENANT_VIEWER", "TENANT_ADMIN", "PLATFORM_ADMIN"] as const).entries()) {
    const enough = rank >= RANK.indexOf(POLICY[operation]);
    const own = () => authorize(who(role, "acme"), operation, "acme");
    const other = () => authorize(who(role, "acme"), operation, "globex");
    if (enough) {
      expect(own).not.toThrow();
      expect(other).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
      expect(maySee(who(role, "acme"), operation, "globex")).toBe(false);
    } else {
      expect(own).toThrow(expect.objectContaining({ code: "FORBIDDEN" }));
      expect(other).toThrow(expect.objectContaining({ code: "FORBIDDEN" }));
    }
    if (enough) expect(() => authorize(who(role, null), operation, "globex")).not.toThrow();
  }
});
