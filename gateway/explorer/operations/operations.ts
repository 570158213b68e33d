import { FINAL } from "./final.js";
import { LOOK } from "./look.js";
import { OPERATE } from "./operate.js";
import type { SavedOperation } from "./operation.js";
import { SET_UP } from "./set-up.js";

/** Saved operations that belong together in the explorer's list. */
export interface OperationGroup {
  readonly title: string;
  /** Whether what they do cannot be undone. */
  readonly final: boolean;
  readonly operations: readonly SavedOperation[];
}

export const OPERATION_GROUPS: readonly OperationGroup[] = [
  { title: "Look", final: false, operations: LOOK },
  { title: "Operate", final: false, operations: OPERATE },
  { title: "Set up", final: false, operations: SET_UP },
  { title: "Cannot be undone", final: true, operations: FINAL },
];
