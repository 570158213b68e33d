import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { Decimal } from "#kernel/decimal.js";
import { amountOf, amountText } from "../../rules/amount.js";
import { NO_DIMENSIONS } from "../../rules/scopes.js";
import type { Amount, LoadedScope, LostBound } from "../counters.js";
import { type Bound, boundOf } from "./bounds.js";
import type { Reservation } from "./reservations.js";
import type { Meta } from "./state.js";
import { type Counter, createCounter, type Entry } from "./window.js";

/** The text form of a tenant's state, in Redis and between an orderly stop and the next start. Amounts of entries are decimal texts, others whole numbers of 10^-12. */

/** With scopes, there is a third one: a process that does not know them must not open the state. */
const Identity = Type.Union([
  Type.Tuple([Type.String(), Type.Boolean()]),
  Type.Tuple([Type.String(), Type.Boolean(), Type.Number()]),
]);
const Matches = Type.Array(Type.Tuple([Type.String(), Type.String()]));
/** `by`, `where`, the period, how many combinations were recorded in it, and `except`, where there is one. */
const SCOPE = [Type.Array(Type.String()), Matches, Type.Number(), Type.Integer()] as const;
const Scope = Type.Union([Type.Tuple([...SCOPE]), Type.Tuple([...SCOPE, Type.Array(Matches)])]);
const Times = Type.Tuple([Type.Integer(), Type.Number(), Type.Integer()]);
const SLIDING = [
  Type.Union([Type.Literal("admission"), Type.Literal("sliding")]),
  Type.Number(),
  Type.Integer(),
  Type.Number(),
] as const;
const PERIOD = [
  Type.Literal("period"),
  Type.Number(),
  Type.Integer(),
  Type.Array(Type.Tuple([Type.Number(), Type.String()])),
] as const;
/** A fifth one: usage of the combination is recorded. */
const RECORDED = Type.Literal(1);
/** Flat: from, length, used, reserved of each entry. */
const Entries = Type.Array(Type.Union([Type.Number(), Type.String()]));
const Bounds = Type.Array(
  Type.Tuple([Type.String(), Type.String(), Type.Number(), Type.Integer(), Type.String(), Type.Number()]),
);
const Lost = Type.Array(Type.Tuple([Type.String(), Type.String(), Type.Number()]));
const ReservedFields = [
  Type.Number(),
  Type.Number(),
  Type.Integer(),
  Type.Integer({ minimum: 0, maximum: 1 }),
  Type.String(),
  Type.String(),
  Type.Union([Type.String(), Type.Null()]),
] as const;
/** The next one, where there is one, is `countedAt`, or null; the last one, where there is one, the dimensions. */
const Reserved = Type.Union([
  Type.Tuple([...ReservedFields]),
  Type.Tuple([...ReservedFields, Type.Number()]),
  Type.Tuple([
    ...ReservedFields,
    Type.Union([Type.Number(), Type.Null()]),
    Type.Array(Type.Tuple([Type.String(), Type.String()])),
  ]),
]);

const identities = TypeCompiler.Compile(Identity);
const times = TypeCompiler.Compile(Times);
const scopes = TypeCompiler.Compile(Scope);
const counters = TypeCompiler.Compile(
  Type.Union([
    Type.Tuple([...SLIDING]),
    Type.Tuple([...SLIDING, RECORDED]),
    Type.Tuple([...PERIOD]),
    Type.Tuple([...PERIOD, RECORDED]),
  ]),
);
const chunks = TypeCompiler.Compile(Entries);
const bounds = TypeCompiler.Compile(Bounds);
const losses = TypeCompiler.Compile(Lost);
const reserved = TypeCompiler.Compile(Reserved);

export const packIdentity = ({ epoch, hasOwnClock, lostBefore }: Meta, isScoped: boolean): string =>
  JSON.stringify(
    (isScoped ? [epoch, hasOwnClock, lostBefore] : [epoch, hasOwnClock]) satisfies Static<typeof Identity>,
  );

export function openIdentity(text: string): Pick<Meta, "epoch" | "hasOwnClock" | "lostBefore"> {
  const [epoch, hasOwnClock, lostBefore = 0] = identities.Decode(JSON.parse(text));
  return { epoch, hasOwnClock, lostBefore };
}

export const packScope = ({ by, where, except, period, recorded }: LoadedScope): string =>
  JSON.stringify([by, packMatches(where), period, recorded, ...(except ? [except.map(packMatches)] : [])]);

type Packed = Static<typeof Matches>;
const packMatches = (matches: LoadedScope["where"]): Packed =>
  matches.map(({ dimension, value }) => [dimension, value]);
const openMatches = (packed: Packed): LoadedScope["where"] =>
  packed.map(([dimension, value]) => ({ dimension, value }));

export function openScope(key: string, text: string): LoadedScope {
  const [by, where, period, recorded, except] = scopes.Decode(JSON.parse(text));
  const common = { key, by, where: openMatches(where), period, recorded };
  return except === undefined ? common : { ...common, except: except.map(openMatches) };
}

export const packTimes = ({ seq, now, serial }: Meta): string => `[${seq},${now},${serial}]`;

export function openTimes(text: string): Pick<Meta, "seq" | "now" | "serial"> {
  const [seq, now, serial] = times.Decode(JSON.parse(text));
  return { seq, now, serial };
}

/** Of a window of time, without its entries. */
export function packCounter(counter: Counter): string {
  const { blockedUntil, sinceSerial } = counter;
  const recorded = counter.recorded ? ",1" : "";
  if (counter.kind !== "period")
    return `["${counter.kind}",${blockedUntil},${sinceSerial},${counter.windowMs}${recorded}]`;
  const periods = [...counter.periods].map(([start, used]) => [start, String(used)] as const);
  return `["period",${blockedUntil},${sinceSerial},${JSON.stringify(periods)}${recorded}]`;
}

export function openCounter(id: string, text: string, isStored: boolean): Counter {
  const packed = counters.Decode(JSON.parse(text));
  const [kind, blockedUntil, sinceSerial] = packed;
  const common = { id, blockedUntil, sinceSerial, isStored, recorded: packed[4] === 1 };
  if (packed[0] !== "period") {
    const window = { kind: packed[0], windowMs: packed[3] } as const;
    return createCounter({ ...common, window });
  }
  const counter = createCounter({ ...common, window: { kind: "period", start: 0, end: 0 } });
  if (counter.kind !== "period") throw new TypeError(`not a period: ${kind}`);
  for (const [start, used] of packed[3]) counter.periods.set(start, BigInt(used));
  return counter;
}

/** The entries of a chunk, which are some in a row; undefined: it has none. */
export function packChunk(entries: readonly Entry[], chunk: number): string | undefined {
  let index = entries.length - 1;
  while (index >= 0 && (entries[index]?.chunk ?? chunk) > chunk) index -= 1;
  let text: string | undefined;
  for (let entry = entries[index]; entry?.chunk === chunk; entry = entries[index]) {
    text = text === undefined ? packEntry(entry) : `${packEntry(entry)},${text}`;
    index -= 1;
  }
  return text === undefined ? undefined : `[${text}]`;
}

/** Joined, which makes one flat text: a text that is put together has its parts as objects until it is read. */
function packEntry(entry: Entry): string {
  entry.packed ??= [entry.from, entry.at - entry.from, quoted(entry.used), quoted(entry.reserved)].join();
  return entry.packed;
}

const quoted = (amount: Amount): string => (amount === 0n ? ZERO : `"${amountText(amount)}"`);
const ZERO = '"0"';

export function openChunk(text: string, chunk: number): Entry[] {
  const flat = chunks.Decode(JSON.parse(text));
  return Array.from({ length: flat.length / 4 }, (_, index) => {
    const [from, length, used, reserved] = flat.slice(4 * index, 4 * index + 4);
    return {
      from: Number(from),
      at: Number(from) + Number(length),
      used: amountFrom(used),
      reserved: amountFrom(reserved),
      chunk,
      packed: undefined,
    };
  });
}

const amountFrom = (text: string | number | undefined) => amountOf(new Decimal(text ?? 0));

export const packBounds = (held: ReadonlyMap<string, Bound>): string =>
  JSON.stringify(
    [...held].map(([id, one]) => {
      const { bound, until, version, durable, durableUntil } = one;
      return [id, String(bound), until, version, String(durable), durableUntil];
    }),
  );

export const openBounds = (text: string): (readonly [string, Bound])[] =>
  bounds.Decode(JSON.parse(text)).map(([id, bound, until, version, durable, durableUntil]) => [
    id,
    {
      ...{ covers: boundOf(id), bound: BigInt(bound), until, version },
      ...{ durable: BigInt(durable), durableUntil, recent: 0n },
    },
  ]);

export const packLost = (lost: readonly LostBound[]): string =>
  JSON.stringify(lost.map(({ id, bound, until }) => [id, String(bound), until]));

export const openLost = (text: string): LostBound[] =>
  losses.Decode(JSON.parse(text)).map(([id, bound, until]) => ({ id, bound: BigInt(bound), until }));

/** Without its key. */
export function packReservation(one: Reservation): string {
  const { expiresAt, admittedAt, serial, open, amount, content, meter, countedAt, dimensions } = one;
  const last =
    dimensions.size > 0
      ? `,${countedAt ?? null},${JSON.stringify([...dimensions])}`
      : countedAt === undefined
        ? ""
        : `,${countedAt}`;
  const texts = `${JSON.stringify(content)},${JSON.stringify(meter)}${last}`;
  return `[${expiresAt},${admittedAt},${serial},${open ? 1 : 0},"${amount}",${texts}]`;
}

export function openReservation(key: string, text: string): Reservation {
  const packed = reserved.Decode(JSON.parse(text));
  const [expiresAt, admittedAt, serial, open, amount, content, meter, countedAt, pairs] = packed;
  const times = { expiresAt, admittedAt, ...(typeof countedAt === "number" && { countedAt }) };
  const dimensions = pairs === undefined ? NO_DIMENSIONS : new Map(pairs);
  return { key, ...times, serial, open: open === 1, content, meter, dimensions, amount: BigInt(amount) };
}
