/** What operators ask of tenancy, and are answered. */

export type Command =
  | { readonly kind: "createMeter"; readonly id: string; readonly unit: string; readonly backfill: boolean }
  | { readonly kind: "archiveMeter"; readonly id: string; readonly force: boolean }
  | { readonly kind: "unarchiveMeter"; readonly id: string }
  | { readonly kind: "createPlan"; readonly id: string; readonly meter: string; readonly fee: string }
  | { readonly kind: "publishVersion"; readonly id: string; readonly meter: string; readonly fee: string }
  | { readonly kind: "archivePlan"; readonly id: string }
  | {
      readonly kind: "createTenant";
      readonly id: string;
      readonly name: string;
      readonly planId: string | undefined;
      /** Of a test tenant, epoch ms. */
      readonly testClock: number | null;
    }
  | { readonly kind: "rename"; readonly id: string; readonly name: string }
  | { readonly kind: "setGrace"; readonly id: string; readonly days: number }
  | { readonly kind: "changePlan"; readonly id: string; readonly planId: string }
  | { readonly kind: "cancelPlanChange"; readonly id: string }
  | { readonly kind: "suspend"; readonly id: string; readonly pausesBilling: boolean }
  | { readonly kind: "resume" | "close"; readonly id: string }
  | { readonly kind: "override"; readonly id: string; readonly limit: string; readonly until: number }
  | { readonly kind: "advanceClock"; readonly id: string; readonly to: number }
  | { readonly kind: "issueKey"; readonly tenantId: string; readonly name: string }
  | { readonly kind: "revokeKey"; readonly id: string };

/** An entity's state, as tenancy tells it. */
export type State = Readonly<Record<string, unknown>> & {
  readonly kind: string;
  readonly id: string;
  readonly version: number;
};

export interface Changed {
  readonly state: State;
  /** The version that was waited for, and whether everyone acts on it. */
  readonly propagation: { readonly version: number; readonly complete: boolean };
  /** Of a new key. */
  readonly secret?: string;
}

/** Rejects with an error that has a code. `actor`: unique, for the audit log. */
export type Change = (command: Command, actor: string) => Promise<Changed>;

/** What a process that serves knows of tenancy. */
export interface Known {
  /** Whether it may decide by that. */
  readonly mayDecide: boolean;
  readonly version: number;
}
