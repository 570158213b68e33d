import type { Bug } from "./bugs/bug.js";
import { REVERSED_FIXES } from "./bugs/reversed-fixes.js";
import { REVIEWED } from "./bugs/reviewed.js";
import { UNSEEN_ACCOUNTING } from "./bugs/unseen-accounting.js";
import { UNSEEN_DECISIONS } from "./bugs/unseen-decisions.js";

export const BUGS: readonly Bug[] = [...UNSEEN_ACCOUNTING, ...UNSEEN_DECISIONS, ...REVERSED_FIXES, ...REVIEWED];
