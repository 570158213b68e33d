import { MetrlyError } from "#kernel/errors.js";
import { createProcessorTurns, REQUEST_BYTES } from "#platform/lifecycle/processor-turns.js";
import { createShares, type ShareRefusal } from "#platform/lifecycle/shares.js";

export interface AdmissionLimits {
  /** Above this a sender with more than its share is refused, bytes. */
  readonly sharedBytes: number;
  /** Nothing is admitted above this, bytes: the range between the two is for senders below their share. */
  readonly maxBytes: number;
  /** Work started in one turn of the event loop, bytes of requests; default: that of `createProcessorTurns`. */
  readonly bytesPerTurn?: number;
}

export type Admission = ReturnType<typeof createAdmission>;

const DEFAULT_LIMITS: AdmissionLimits = { sharedBytes: 10 << 20, maxBytes: 16 << 20 };

/** A request that was admitted. */
export interface Admitted {
  /** Charges bytes as they arrive. Throws as `enter` does; the request should then leave. */
  arrived(bytes: number): void;
  /** Waits for the sender's turn on the processor, to work on this many bytes; undefined: proceed immediately. */
  turn(bytes: number): Promise<void> | undefined;
  /** Charges bytes that the work turned out to have beyond those of its turn. */
  grew(bytes: number): void;
  /** When the request is answered, refused, or its client has disconnected. Idempotent. */
  leave(): void;
}

/**
 * Bounds the bytes that requests hold until their response, divides them among senders by weight, and schedules senders'
 * turns. A sender is a tenant, or a platform key. A body is charged as it arrives: one that is only announced holds nothing
 * that others need.
 */
export function createAdmission({ sharedBytes, maxBytes, bytesPerTurn }: AdmissionLimits = DEFAULT_LIMITS) {
  const shares = createShares({ shared: sharedBytes, max: maxBytes });
  const turns = createProcessorTurns({
    ...(bytesPerTurn !== undefined && { bytesPerTurn }),
    hasOthers: () => shares.senders > 1,
  });
  let requests = 0;

  /**
   * Admits a request before its body is read; `expected` bytes of it are announced. Throws TENANT_OVER_SHARE when the sender
   * exceeds its share of a busy edge, BUSY when the edge is full or the sender alone fills it.
   */
  function enter(sender: string, weight: number, expected: number): Admitted {
    let own = 0;
    let isGone = false;
    const admit = (more: number): void => {
      const refusal = shares.refusal(sender, weight, more, own);
      if (refusal !== undefined) throw refused(refusal);
    };
    const hold = (bytes: number): void => {
      own += bytes;
      shares.hold(sender, weight, bytes);
    };
    admit(REQUEST_BYTES + expected);
    requests += 1;
    hold(REQUEST_BYTES);
    return {
      arrived(bytes) {
        if (isGone) return;
        admit(bytes);
        hold(bytes);
      },
      turn: (bytes) => turns.take(sender, bytes),
      grew(bytes) {
        if (!isGone) hold(bytes);
        turns.grew(sender, bytes);
      },
      leave() {
        if (isGone) return;
        isGone = true;
        requests -= 1;
        hold(-own);
      },
    };
  }

  return {
    enter,
    held: () => ({ requests, bytes: shares.held }),
    /** Whether work on admitted requests waits for the processor. */
    isBusy: turns.isBusy,
  };
}

const refused = (refusal: ShareRefusal): MetrlyError =>
  refusal === "over share"
    ? new MetrlyError(
        "TENANT_OVER_SHARE",
        "The tenant exceeds its share of a busy edge; nothing was accepted, retry the request",
      )
    : new MetrlyError("BUSY", "The edge is at capacity; nothing was accepted, retry the request");
