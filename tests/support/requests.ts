/** Requests of one kind that tests send, to tell which of them a fault interrupts. */
export interface Requests {
  /** How many are unanswered now. */
  open(): number;
  /** How many ended without an answer, or with an answer that reports a failure of the server. */
  broken(): number;
  /** Marks those that are unanswered now; the function answers whether one of them still is. */
  mark(): () => boolean;
  /** Counts a request from now until its answer. Undefined: no answer. */
  track(request: Promise<Response>): Promise<Response | undefined>;
}

export function countRequests(): Requests {
  const open = new Set<object>();
  let broken = 0;
  return {
    open: () => open.size,
    broken: () => broken,
    mark() {
      const marked = [...open];
      return () => marked.some((one) => open.has(one));
    },
    async track(request) {
      const one = {};
      open.add(one);
      const response = await request.catch(() => undefined);
      if (response === undefined || response.status >= 500) broken += 1;
      open.delete(one);
      return response;
    },
  };
}
