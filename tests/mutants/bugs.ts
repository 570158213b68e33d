import type { Bug } from "./bugs/bug.js";
import { CHEAPER } from "./bugs/cheaper.js";
import { MONEY } from "./bugs/money.js";
import { REVERSED_ACCOUNTING } from "./bugs/reversed-accounting.js";
import { REVERSED_BOUNDS } from "./bugs/reversed-bounds.js";
import { REVERSED_CLIENTS } from "./bugs/reversed-clients.js";
import { REVERSED_QUOTA } from "./bugs/reversed-quota.js";
import { REVERSED_SERVERS } from "./bugs/reversed-servers.js";
import { REVERSED_TENANCY } from "./bugs/reversed-tenancy.js";
import { REVIEWED } from "./bugs/reviewed.js";
import { SEVERAL_METERS } from "./bugs/several-meters.js";
import { UNSEEN_ACCOUNTING } from "./bugs/unseen-accounting.js";
import { UNSEEN_DECISIONS } from "./bugs/unseen-decisions.js";

const REVERSED = [
  ...[...REVERSED_ACCOUNTING, ...REVERSED_QUOTA, ...REVERSED_TENANCY],
  ...[...REVERSED_BOUNDS, ...REVERSED_SERVERS, ...REVERSED_CLIENTS],
];

export const BUGS: readonly Bug[] = [
  ...[...UNSEEN_ACCOUNTING, ...UNSEEN_DECISIONS],
  ...[...REVERSED, ...REVIEWED],
  ...[...CHEAPER, ...MONEY, ...SEVERAL_METERS],
];
