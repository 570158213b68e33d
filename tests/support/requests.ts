/** Requests of one kind: how many are open, and how many got no answer or one that says that the server failed. */
export interface Requests {
  open(): number;
  broken(): number;
  /** Counts a request from now until it is answered. Undefined: it got no answer. */
  track(request: Promise<Response>): Promise<Response | undefined>;
}

export function countRequests(): Requests {
  let [open, broken] = [0, 0];
  return {
    open: () => open,
    broken: () => broken,
    async track(request) {
      open += 1;
      const response = await request.catch(() => undefined);
      open -= 1;
      if (response === undefined || response.status >= 500) broken += 1;
      return response;
    },
  };
}
