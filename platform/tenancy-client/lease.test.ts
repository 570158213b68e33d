import { afterEach, beforeEach, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { installManualTime, type ManualTime } from "#platform/lifecycle/manual-time.testing.js";
import { USAGE_ENCODINGS } from "#schema/columns/sealed.js";
import { tenancyAppliedV1 } from "#schema/events/tenancy-applied.v1.js";
import { createTenancyState } from "./copy.js";
import { createTenancyLease, LEASE_MS, REPORT_EVERY_MS } from "./lease.js";

const logDown = () => Promise.reject(new MetrlyError("LOG_UNAVAILABLE", "the event log does not answer"));
const unanswered = () => new Promise<void>(() => undefined);
let time: ManualTime;
let restore: () => void;

beforeEach(() => {
  [time, restore] = installManualTime();
});
afterEach(() => restore());

function world() {
  const state = createTenancyState({ now: () => time.now() });
  const reports: { version: number; ended?: true | undefined }[] = [];
  const log = {
    append: (): Promise<void> => Promise.resolve(),
    catchUp: (): Promise<void> => Promise.resolve(),
    reads: 0,
  };
  const lease = createTenancyLease({
    self: { role: "quota", instance: "quota-1" },
    tenancy: {
      ...state.reads,
      caughtUp() {
        log.reads += 1;
        return log.catchUp();
      },
    },
    log: {
      async append(_, __, records) {
        await log.append();
        for (const { value } of records) {
          const { version, ended, reads } = tenancyAppliedV1.read(value.toString("utf8"));
          expect(reads).toEqual(USAGE_ENCODINGS);
          reports.push({ version, ...(ended !== undefined && { ended }) });
        }
      },
    },
    onError: (error) => {
      throw error;
    },
  });
  let version = 0;
  return {
    ...{ lease, log, reports },
    change() {
      version += 1;
      state.apply({ kind: "heartbeat", id: "heartbeat", version, at: time.now() });
    },
    /** The process stands still while time goes on. */
    freeze: (ms: number) => time.jump(ms),
    async begin() {
      await lease.begin();
      expect(lease.isHeld()).toBe(true);
    },
  };
}

test("a process serves once it has reported and then caught up", async () => {
  const { lease, log } = world();
  expect(lease.isHeld()).toBe(false);
  const order: string[] = [];
  log.append = async () => void order.push("report");
  log.catchUp = async () => void order.push(`read, held: ${lease.isHeld()}`);
  await lease.begin();
  expect(order).toEqual(["report", "read, held: false"]);
  expect(lease.isHeld()).toBe(true);
  await lease.stop();
});

test("reports come every few seconds, and many changes at once make few", async () => {
  const { begin, change, lease, log, reports } = world();
  await begin();
  await time.advance(10 * REPORT_EVERY_MS);
  expect(reports.length).toBeGreaterThanOrEqual(9);
  expect(reports.length).toBeLessThanOrEqual(11);
  expect(log.reads).toBe(1);
  reports.length = 0;
  for (let n = 0; n < 100; n += 1) {
    change();
    await time.advance(1);
  }
  await time.advance(100);
  expect(reports.at(-1)).toEqual({ version: 100 });
  expect(reports.length).toBeLessThanOrEqual(7);
  await lease.stop();
  expect(reports.at(-1)).toEqual({ version: 100, ended: true });
});

test("a lease lasts from when its report began, and one that came too late is no lease", async () => {
  const { begin, lease, log } = world();
  await begin();
  await time.advance(REPORT_EVERY_MS - 1);
  log.append = () => new Promise((resolve) => void time.after(LEASE_MS, resolve, {}));
  await time.advance(1);
  // Runs all the time, so that what is missing is the log.
  await time.advance(REPORT_EVERY_MS);
  log.append = () => Promise.resolve();
  await time.advance(LEASE_MS);
  expect(log.reads).toBe(2);
  expect(lease.isHeld()).toBe(true);
  await lease.stop();
});

test("a process that was frozen catches up before it serves", async () => {
  const { begin, freeze, lease, log, reports } = world();
  await begin();
  freeze(LEASE_MS);
  expect(lease.isHeld()).toBe(false);
  let isRead = false;
  log.catchUp = async () => {
    expect(reports.length).toBeGreaterThan(1);
    isRead = true;
  };
  const served = lease.held().then(() => expect(isRead).toBe(true));
  await time.advance(50);
  await served;
  expect(lease.isHeld()).toBe(true);
  await lease.stop();
});

test("a report that was under way while the process was frozen renews nothing", async () => {
  const { begin, freeze, lease, log, reports } = world();
  await begin();
  let acknowledge = () => {};
  log.append = () =>
    new Promise((resolve) => {
      acknowledge = resolve;
    });
  await time.advance(REPORT_EVERY_MS);
  freeze(LEASE_MS);
  const served = lease.held();
  log.append = () => Promise.resolve();
  log.catchUp = async () => expect(reports.length).toBe(3);
  acknowledge();
  await time.advance(100);
  await served;
  expect(log.reads).toBe(2);
  await lease.stop();
});

test.each([
  ["refuses", logDown],
  ["does not answer", unanswered],
])("a process that runs while the log %s goes on with what it has", async (_, append) => {
  const { begin, lease, log } = world();
  await begin();
  log.append = append;
  for (let seconds = 0; seconds < 120; seconds += 1) {
    await time.advance(1_000);
    expect(lease.isHeld()).toBe(true);
  }
});

test("what a process knew of the log before it was frozen counts no more", async () => {
  const { begin, freeze, lease, log } = world();
  await begin();
  log.append = logDown;
  await time.advance(2 * LEASE_MS);
  expect(lease.isHeld()).toBe(true);
  freeze(5_000);
  expect(lease.isHeld()).toBe(false);
  log.append = () => Promise.resolve();
  const served = lease.held();
  await time.advance(2_000);
  await served;
  expect(log.reads).toBe(2);
  await lease.stop();
});

test("who waits too long for the log after a freeze is refused, with when to come again", async () => {
  const { begin, freeze, lease, log } = world();
  await begin();
  log.append = unanswered;
  freeze(LEASE_MS);
  const refused = expect(lease.held()).rejects.toMatchObject({
    code: "UNAVAILABLE",
    extensions: { retryAfterSeconds: 1 },
  });
  await time.advance(1_999);
  // Refused by its own clock: the log counts as down only after two seconds in which the process was seen to run.
  await time.advance(1);
  await refused;
});
