import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { expect, test } from "vitest";
import { runs } from "../../tests/support/effort.js";
import { anyText } from "../../tests/systems/hostile/arbitraries.js";
import { DECIMALS, TIMES } from "../../tests/systems/hostile/inputs.js";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const webhook = new Webhook(SECRET);
const BODY = '{"type":"quota.warning"}';
const ID = "msg_1";

const seconds = (offset: number) => Math.floor(Date.now() / 1_000) + offset;
const good = (at: number) => webhook.sign(ID, new Date(at * 1_000), BODY);

/** A header with the right signature somewhere in it, or nowhere. */
const signatures = (right: string): fc.Arbitrary<{ readonly text: string; readonly hasRight: boolean }> =>
  fc
    .tuple(
      fc.array(
        fc.oneof(
          anyText,
          fc.constantFrom("v1,", "v1", "v2,x", "v1a,y", ",", `v2,${right.slice(3)}`, right.slice(0, -2)),
        ),
        {
          maxLength: 40,
        },
      ),
      fc.boolean(),
      fc.constantFrom(" ", "  ", "\t", ",", ""),
    )
    .map(([others, hasRight, separator]) => {
      const parts = hasRight ? [...others, right] : others;
      return { text: parts.join(separator), hasRight: hasRight && parts.join(separator).split(" ").includes(right) };
    });

test("a delivery is verified if its right signature is among those sent, whatever the others are, and else refused", () => {
  const now = seconds(0);
  fc.assert(
    fc.property(signatures(good(now)), ({ text, hasRight }) => {
      const headers = { "webhook-id": ID, "webhook-timestamp": String(now), "webhook-signature": text };
      const verify = () => webhook.verify(BODY, headers);
      if (hasRight) expect(verify()).toEqual({ type: "quota.warning" });
      else expect(verify).toThrow(/^[^\n]{1,200}$/);
    }),
    { numRuns: runs(200) },
  );
});

test("a delivery whose time is odd, old or ahead is refused, though it is signed for it", () => {
  const odd = fc.oneof(
    anyText,
    fc.constantFrom(...DECIMALS, ...TIMES, String(seconds(-301)), String(seconds(400)), "1e10", "NaN"),
  );
  fc.assert(
    fc.property(odd, (time) => {
      const headers = { "webhook-id": ID, "webhook-timestamp": time, "webhook-signature": good(seconds(0)) };
      expect(() => webhook.verify(BODY, headers)).toThrow(/^[^\n]{1,200}$/);
    }),
    { numRuns: runs(200) },
  );
});
