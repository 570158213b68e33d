import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { Decimal } from "#kernel/decimal.js";
import { amountOf, amountText } from "../../rules/amount.js";
import type { Amount, LostBound } from "../counters.js";
import type { Bound } from "./bounds.js";
import type { Reservation } from "./reservations.js";
import type { Counter, Entry } from "./window.js";

/** The text form of a tenant's state, in Redis and between an orderly stop and the next start. Amounts of entries are decimal texts, others whole numbers of 10^-12. */

const Times = Type.Tuple([Type.String(), Type.Integer(), Type.Number(), Type.Integer(), Type.Boolean()]);
const Sliding = Type.Tuple([
  Type.Union([Type.Literal("admission"), Type.Literal("sliding")]),
  Type.Number(),
  Type.Integer(),
  Type.Number(),
  /** Flat: from, length, used, reserved of each entry. */
  Type.Array(Type.Union([Type.Number(), Type.String()])),
]);
const Period = Type.Tuple([
  Type.Literal("period"),
  Type.Number(),
  Type.Integer(),
  Type.Array(Type.Tuple([Type.Number(), Type.String()])),
]);
const Bounds = Type.Array(Type.Tuple([Type.String(), Type.String(), Type.Number(), Type.Integer(), Type.String()]));
const Lost = Type.Array(Type.Tuple([Type.String(), Type.String(), Type.Number()]));
const Reserved = Type.Tuple([
  Type.Number(),
  Type.Number(),
  Type.Integer(),
  Type.Integer({ minimum: 0, maximum: 1 }),
  Type.String(),
  Type.String(),
  Type.Union([Type.String(), Type.Null()]),
]);

const times = TypeCompiler.Compile(Times);
const counters = TypeCompiler.Compile(Type.Union([Sliding, Period]));
const bounds = TypeCompiler.Compile(Bounds);
const losses = TypeCompiler.Compile(Lost);
const reserved = TypeCompiler.Compile(Reserved);

export interface Meta {
  readonly epoch: string;
  readonly seq: number;
  readonly now: number;
  readonly serial: number;
  readonly hasOwnClock: boolean;
}

export const packMeta = ({ epoch, seq, now, serial, hasOwnClock }: Meta): string =>
  JSON.stringify([epoch, seq, now, serial, hasOwnClock] satisfies Static<typeof Times>);

export function openMeta(text: string): Meta {
  const [epoch, seq, now, serial, hasOwnClock] = times.Decode(JSON.parse(text));
  return { epoch, seq, now, serial, hasOwnClock };
}

export function packCounter(counter: Counter): string {
  const { blockedUntil, sinceSerial } = counter;
  if (counter.kind === "period") {
    const periods = [...counter.periods].map(([start, used]) => [start, String(used)] as const);
    return JSON.stringify(["period", blockedUntil, sinceSerial, periods]);
  }
  const entries = counter.entries.map(packEntry).join();
  return `["${counter.kind}",${blockedUntil},${sinceSerial},${counter.windowMs},[${entries}]]`;
}

/** Packed once as long as it stays the same: a counter is packed again for each decision that changes one of its entries. */
function packEntry(entry: Entry): string {
  entry.packed ??= `${entry.from},${entry.at - entry.from},"${amountText(entry.used)}","${amountText(entry.reserved)}"`;
  return entry.packed;
}

export function openCounter(text: string): Counter {
  const packed = counters.Decode(JSON.parse(text));
  if (packed[0] === "period") {
    const [kind, blockedUntil, sinceSerial, periods] = packed;
    return { kind, blockedUntil, sinceSerial, periods: new Map(periods.map(([start, used]) => [start, BigInt(used)])) };
  }
  const [kind, blockedUntil, sinceSerial, windowMs, flat] = packed;
  const entries = Array.from({ length: flat.length / 4 }, (_, index) => {
    const [from, length, used, reserved] = flat.slice(4 * index, 4 * index + 4);
    const times = { from: Number(from), at: Number(from) + Number(length) };
    return { ...times, used: amountFrom(used), reserved: amountFrom(reserved) };
  });
  const sum = (of: (entry: (typeof entries)[number]) => Amount) => entries.reduce((all, entry) => all + of(entry), 0n);
  const sums = { used: sum((entry) => entry.used), reserved: sum((entry) => entry.reserved) };
  return { kind, blockedUntil, sinceSerial, windowMs, entries, ...sums };
}

const amountFrom = (text: string | number | undefined): Amount => amountOf(new Decimal(text ?? 0));

export const packBounds = (held: ReadonlyMap<string, Bound>): string =>
  JSON.stringify(
    [...held].map(([id, { bound, until, version, durable }]) => [id, String(bound), until, version, String(durable)]),
  );

export function openBounds(text: string): Map<string, Bound> {
  return new Map(
    bounds
      .Decode(JSON.parse(text))
      .map(([id, bound, until, version, durable]) => [
        id,
        { bound: BigInt(bound), until, version, durable: BigInt(durable), recent: 0n },
      ]),
  );
}

export const packLost = (lost: readonly LostBound[]): string =>
  JSON.stringify(lost.map(({ id, bound, until }) => [id, String(bound), until]));

export const openLost = (text: string): LostBound[] =>
  losses.Decode(JSON.parse(text)).map(([id, bound, until]) => ({ id, bound: BigInt(bound), until }));

export const packReservation = (one: Reservation): string =>
  JSON.stringify([
    one.expiresAt,
    one.admittedAt,
    one.serial,
    one.open ? 1 : 0,
    String(one.amount),
    one.content,
    one.meter,
  ] satisfies Static<typeof Reserved>);

export function openReservation(text: string): Reservation {
  const [expiresAt, admittedAt, serial, open, amount, content, meter] = reserved.Decode(JSON.parse(text));
  return { expiresAt, admittedAt, serial, open: open === 1, amount: BigInt(amount), content, meter };
}
