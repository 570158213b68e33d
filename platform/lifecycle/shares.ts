export interface ShareLimits {
  /** Above this, who holds more than its share is refused. */
  readonly shared: number;
  /** Nothing is admitted above this: the range between the two is for senders below their share. */
  readonly max: number;
}

/** Why a sender may hold no more: it exceeds its share, or nobody may. */
export type ShareRefusal = "over share" | "full";

export interface Shares {
  /** `own`: what the request that asks holds already; alone it is never over its sender's share. */
  refusal(sender: string, weight: number, more: number, own?: number): ShareRefusal | undefined;
  /** Adds what a sender holds; a negative amount gives it back. */
  hold(sender: string, weight: number, amount: number): void;
  /** Of all senders. */
  readonly held: number;
  /** Who hold something. */
  readonly senders: number;
}

interface Sender {
  held: number;
  readonly weight: number;
}

/** Divides a bounded quantity, bytes for example, among the senders that hold some of it, by weight. */
export function createShares({ shared, max }: ShareLimits): Shares {
  const senders = new Map<string, Sender>();
  let held = 0;
  let weights = 0;
  return {
    get held() {
      return held;
    },
    get senders() {
      return senders.size;
    },
    refusal(name, weight, more, own = 0) {
      const wanted = held + more;
      if (wanted <= shared || held === own) return undefined;
      const known = senders.get(name);
      const all = known === undefined ? weights + weight : weights;
      const holds = known?.held ?? 0;
      const isAlone = weight === all;
      if (holds > own && holds + more > (shared * weight) / all && !isAlone) return "over share";
      return wanted > max || isAlone ? "full" : undefined;
    },
    hold(name, weight, amount) {
      const known = senders.get(name);
      const sender = known ?? { held: 0, weight };
      sender.held += amount;
      held += amount;
      if (known === undefined) weights += weight;
      senders.set(name, sender);
      if (sender.held > 0) return;
      senders.delete(name);
      weights -= sender.weight;
    },
  };
}
