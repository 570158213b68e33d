import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Decimal } from "#kernel/decimal.js";
import { formatMoney } from "#kernel/money.js";
import type { PriceState } from "#schema/events/tenancy-changed.v1.js";
import { PRICE_MODELS } from "#schema/vocabulary.js";
import { EVERY_DAY } from "./charged-days.js";
import { chargeLines } from "./invoice-lines.js";

const PAGE = new URL("../../../docs/pricing.md", import.meta.url);
const EXAMPLE =
  /```json\n(?<price>.+?)\n```\n\n\| quantity \| (?<currency>[A-Z]{3}) \|\n\|---\|---\|\n(?<rows>(?:\|.+\|\n)+)/g;
const ROW = /^\| (?<quantity>[\d.]+) \| (?<amount>[\d.]+) \|$/gm;

type Tier = PriceState["tiers"][number];
type Written = Omit<Partial<PriceState>, "tiers"> &
  Pick<PriceState, "model"> & { readonly tiers?: readonly Partial<Tier>[] };

function priceOf(written: Written): PriceState {
  const tiers = (written.tiers ?? []).map((tier) => ({ upTo: null, unitAmount: "0", flatAmount: "0", ...tier }));
  return {
    ...{
      meter: "m",
      included: "0",
      unitAmount: null,
      packageSize: null,
      ratePercent: null,
      divideBy: "1",
      roundUp: false,
    },
    ...{ minimumAmount: null, maximumAmount: null, discountPercent: "0", where: [] },
    ...{ ...written, tiers },
  };
}

const examples = [...readFileSync(PAGE, "utf8").matchAll(EXAMPLE)].flatMap(({ groups = {} }) => {
  const written: Written = JSON.parse(groups.price ?? "");
  return [...(groups.rows ?? "").matchAll(ROW)].map(({ groups: row = {} }) => ({
    ...{ written, currency: groups.currency ?? "", quantity: row.quantity ?? "", amount: row.amount ?? "" },
  }));
});

test("docs/pricing.md has examples of every price model but the flat one, each row of them found", () => {
  const page = readFileSync(PAGE, "utf8");
  expect(examples.length).toBe([...page.matchAll(/^\| \d.*\|$/gm)].length);
  expect(new Set(examples.map(({ written }) => written.model))).toEqual(
    new Set(PRICE_MODELS.filter((model) => model !== "FLAT")),
  );
});

test.each(examples)("docs/pricing.md: $quantity cost $amount $currency", ({ written, currency, quantity, amount }) => {
  const terms = {
    ...{ version: 1, publishedAt: 0, publishedInVersion: 1, currency, recurringFee: "0", minimumCommit: "0" },
    ...{ prices: [priceOf(written)], limits: [] },
  };
  const [line] = chargeLines(
    { start: 0, end: 1 },
    { ref: { id: "p", version: 1 }, terms },
    () => new Decimal(quantity),
    EVERY_DAY,
  );
  expect(line && formatMoney(line.amount, currency)).toBe(amount);
});
