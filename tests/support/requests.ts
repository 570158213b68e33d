/** Requests of one kind that tests send, to tell which of them a fault interrupts. */
export interface Requests {
  /** How many are unanswered now. */
  open(): number;
  /** Those that are unanswered now. */
  mark(): Marked;
  /** Counts a request from now until its answer. Undefined: no answer. */
  track(request: Promise<Response>): Promise<Response | undefined>;
}

export interface Marked {
  /** Whether one of them is still unanswered. */
  areOpen(): boolean;
  /** Whether one of them ended without an answer, or with an answer that reports a failure of the server. */
  areBroken(): boolean;
}

export function countRequests(): Requests {
  const open = new Set<object>();
  const broken = new WeakSet<object>();
  return {
    open: () => open.size,
    mark() {
      const marked = [...open];
      return {
        areOpen: () => marked.some((one) => open.has(one)),
        areBroken: () => marked.some((one) => broken.has(one)),
      };
    },
    async track(request) {
      const one = {};
      open.add(one);
      const response = await request.catch(() => undefined);
      if (response === undefined || response.status >= 500) broken.add(one);
      open.delete(one);
      return response;
    },
  };
}
