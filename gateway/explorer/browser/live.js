import { clockTime } from "./figures.js";

/** A dead connection answers no ping. */
const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 5_000;
const RETRY_AT_MOST_MS = 5_000;

/** What is happening to the running subscription. @typedef {{ state: "waiting" | "connected" | "lost" | "ended", text: string }} LiveStatus */

/**
 * Runs subscriptions of one signed-in caller over one socket: the server binds a socket to the token that opened it.
 * @param {{ token: string | null, onStatus(status: LiveStatus | null): void, onRefused(message: string): void }} options
 *   `onStatus` gets null when none is running
 */
export function createLive({ token, onStatus, onRefused }) {
  const url = new URL("graphql", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  /** @type {{ what: string, count: number, lastAt?: Date, lost: boolean, resumed: boolean, isResumable(): boolean } | null} */
  let running = null;
  let pong;
  const client = window.graphqlWs.createClient({
    url: url.href,
    lazy: true,
    connectionParams: token === null ? {} : { authorization: `Bearer ${token}` },
    keepAlive: PING_EVERY_MS,
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: (retries) =>
      new Promise((resolve) =>
        setTimeout(resolve, Math.min(RETRY_AT_MOST_MS, 250 * 2 ** retries) * (0.5 + Math.random() / 2)),
      ),
    on: {
      connected() {
        if (running === null) return;
        running.resumed = running.isResumable();
        show("connected");
      },
      closed({ code, reason }) {
        clearTimeout(pong);
        if (running === null || code === 1000) return;
        running.lost = true;
        show("lost", code === 1013 ? ` (${reason || "the server is busy"})` : "");
      },
      ping(received) {
        if (!received) pong = setTimeout(() => client.terminate(), PONG_WITHIN_MS);
      },
      pong: () => clearTimeout(pong),
    },
  });

  return {
    /**
     * An observable of the results. After a lost connection it goes on: behind the last result, if the operation has a variable
     * `$after` and selects `cursor`, otherwise from then on.
     */
    observe: ({ query, variables, operationName }) => ({
      subscribe(sink) {
        const payload = { query, operationName, variables: { ...variables } };
        const isResumable = () => Boolean(payload.variables.after);
        const mine = { what: whatOf(query), count: 0, lost: false, resumed: false, isResumable };
        let failure;
        running = mine;
        show("waiting");
        const end = (text) => {
          if (running !== mine) return;
          running = null;
          onStatus(text === undefined ? null : { state: "ended", text });
        };
        const stop = client.subscribe(payload, {
          next(result) {
            sink.next(result);
            failure = result.data ? undefined : result.errors?.[0].message;
            if (!result.data) return;
            Object.assign(mine, { count: mine.count + 1, lastAt: new Date(), lost: false });
            const cursor = Object.values(result.data)[0]?.cursor;
            if (cursor !== undefined && /\$after\b/.test(query)) payload.variables.after = cursor;
            if (running === mine) show("connected");
          },
          error(reason) {
            const errors = errorsOf(reason);
            end(`Ended by an error: ${errors[0].message}`);
            sink.next({ errors });
            sink.complete();
            if (reason?.code === 4401) onRefused(errors[0].message);
          },
          complete() {
            end(failure === undefined ? "Ended by the server." : `Ended by an error: ${failure}`);
            sink.complete();
          },
        });
        return {
          unsubscribe() {
            end();
            stop();
          },
        };
      },
    }),
    /** How the last one ended is no longer of interest. */
    forget() {
      if (running === null) onStatus(null);
    },
    dispose() {
      running = null;
      onStatus(null);
      client.dispose();
    },
  };

  function show(state, detail = "") {
    const { what, count, lastAt, lost, resumed } = running;
    if (state === "waiting") return onStatus({ state, text: "Connecting…" });
    if (state === "lost") return onStatus({ state, text: `Connection lost${detail}; connecting again…` });
    const again = lost ? `Connected again${resumed ? ", resumed after the last one" : ""}` : "Connected";
    const soFar = count === 0 ? "" : ` ${count} so far, the last at ${clockTime(lastAt)}.`;
    onStatus({ state, text: `${again}, waiting for the next ${what}.${soFar}` });
  }
}

/** What a subscription delivers, in a word. */
const whatOf = (query) =>
  /\bquotaAlerts\b/.test(query) ? "alert" : /\binvoiceGenerated\b/.test(query) ? "invoice" : "result";

/** GraphQL errors, a closed socket, or a failure before there was one. */
function errorsOf(reason) {
  if (Array.isArray(reason)) return reason;
  const code = reason?.code;
  if (code === 4401)
    return [{ message: `the server refused the key or token (${reason.reason || "UNAUTHENTICATED"})` }];
  return [
    {
      message:
        code === undefined
          ? (reason?.message ?? "the connection failed")
          : `the socket was closed with ${code} ${reason.reason}`,
    },
  ];
}
