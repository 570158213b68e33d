/** Requests of one kind that tests send, to know what a fault interrupts. */
export interface Requests {
  /** How many are unanswered now. */
  open(): number;
  /** Marks the open requests; the function answers whether one of them is unanswered still or got no good answer. */
  mark(): () => boolean;
  /** Counts a request as open until its response. Undefined: no response. */
  track(request: Promise<Response>): Promise<Response | undefined>;
}

export function countRequests(): Requests {
  const open = new Set<object>();
  const broken = new WeakSet<object>();
  return {
    open: () => open.size,
    mark() {
      const marked = [...open];
      return () => marked.some((one) => open.has(one) || broken.has(one));
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
