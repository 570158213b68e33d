/** Quantities, money and times as text. Quantities are decimal strings: their digits are shown as they are. */

/** Groups the digits before the point: `1234567.5` is `1,234,567.5`. Zeros at the end of a fraction are left out. */
export function quantity(decimal) {
  const [, sign, whole, fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(decimal) ?? [];
  if (whole === undefined) return decimal;
  const digits = fraction.replace(/0+$/, "");
  return `${sign}${whole.replace(/\B(?=(\d{3})+$)/g, ",")}${digits && `.${digits}`}`;
}

/** `12.50 EUR`: the amount's digits are those of the currency. */
export const money = ({ amount, currency }) => {
  const [whole, fraction] = amount.split(".");
  return `${quantity(whole)}${fraction === undefined ? "" : `.${fraction}`} ${currency}`;
};

/** A share as a percentage, rounded down: 100 % means that nothing is left. For drawing and reading, not for deciding. */
export function percent(used, limit) {
  if (Number(limit) === 0) return Number(used) > 0 ? 100 : 0;
  return Math.floor((Number(used) / Number(limit)) * 100);
}

/** `0.8` is `80 %`. */
export const share = (fraction) => `${Number((Number(fraction) * 100).toFixed(2))}\u00a0%`;

const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });

/** `Nov 28`, UTC. */
export const day = (time) => DAY.format(new Date(time));

/** `2026-11-28 22:56`, UTC. */
export const minute = (time) => new Date(time).toISOString().slice(0, 16).replace("T", " ");

/** `22:56:03 UTC`, of this computer's clock. */
export const clockTime = (date) => `${date.toISOString().slice(11, 19)} UTC`;

/** A period ends where the next one begins; people name its last day. */
export const period = ({ start, end }) => `${day(start)} to ${day(Date.parse(end) - 1)}`;

const WINDOWS = {
  SECOND: "per second",
  MINUTE: "per minute",
  HOUR: "per hour",
  DAY: "per day",
  CALENDAR_DAY: "per calendar day",
  CALENDAR_WEEK: "per calendar week",
  CALENDAR_MONTH: "per calendar month",
  BILLING_PERIOD: "per billing period",
};
export const perWindow = (window) => WINDOWS[window] ?? window;
