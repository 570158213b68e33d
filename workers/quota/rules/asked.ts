import type { Amount } from "../counters/counters.js";
import { amountText } from "./amount.js";

/** What a request asks for of one meter. */
export interface AskedAmount {
  readonly meter: string;
  readonly amount: Amount;
}

const BETWEEN = ", ";

/**
 * A request as text, which its key stands for: "requests", "calls 5", or "input 100, output 50". `asked` ascends by meter, so that
 * the order in which a client names them makes no other request. Neither a meter's key nor an amount has a space or a comma.
 */
export const contentOf = (asked: readonly AskedAmount[]): string =>
  asked.length === 0 ? "requests" : asked.map(({ meter, amount }) => `${meter} ${amountText(amount)}`).join(BETWEEN);

/** The meters of a request for several; empty: it is for one or none. */
export const severalIn = (content: string): readonly string[] =>
  content.includes(BETWEEN) ? content.split(BETWEEN).map((one) => one.slice(0, one.indexOf(" "))) : NONE;
const NONE: readonly string[] = [];

/**
 * What is reserved of a further meter of a request is a reservation of its own under this key, so that a process that knows only
 * requests for one meter counts it, too. No client can name it: NUL is refused in keys, and in the ids of events.
 */
export const partKey = (key: string, meter: string): string => `${key}\0${meter}`;
