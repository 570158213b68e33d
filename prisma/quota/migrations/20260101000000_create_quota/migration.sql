-- Consumer's mark per partition of the ledger; see platform/ledger-consumer.ts.
CREATE TABLE high_water_mark (
  partition   INTEGER PRIMARY KEY,
  seq         BIGINT NOT NULL,
  next_offset BIGINT NOT NULL
);

-- Alerts on their way to the log; see platform/outbox.ts.
CREATE TABLE outbox (
  id         BIGSERIAL PRIMARY KEY,
  topic      TEXT NOT NULL,
  partition  INTEGER NOT NULL,
  key        TEXT NOT NULL,
  value      TEXT NOT NULL,
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now()
);

-- Recorded usage, exact. Grains: the aligned windows that thresholds are judged in, and the buckets that sliding counters
-- are rebuilt from. BILLING_PERIOD by the usage's own time, all others by arrival.
CREATE TABLE usage_total (
  tenant_id    TEXT NOT NULL,
  meter        TEXT NOT NULL,
  grain        TEXT NOT NULL,
  bucket_start TIMESTAMPTZ(3) NOT NULL,
  total        NUMERIC NOT NULL,
  PRIMARY KEY (tenant_id, meter, grain, bucket_start)
);
CREATE INDEX usage_total_prunable ON usage_total (bucket_start) WHERE grain <> 'BILLING_PERIOD';

-- Last ledger entry of a tenant that usage_total holds: what its counters compare their own position with.
CREATE TABLE tenant_position (
  tenant_id TEXT PRIMARY KEY,
  partition INTEGER NOT NULL,
  seq       BIGINT NOT NULL
);
CREATE INDEX tenant_position_by_partition ON tenant_position (partition);

-- The most that the counters alone may know to be admitted in a bucket; raised before they admit it. Meter '': requests.
CREATE TABLE granted_bound (
  tenant_id     TEXT NOT NULL,
  meter         TEXT NOT NULL,
  quota_window  TEXT NOT NULL,
  bucket_start  TIMESTAMPTZ(3) NOT NULL,
  bound         NUMERIC NOT NULL,
  -- No reservation under this bound lives longer.
  expires_at    TIMESTAMPTZ(3) NOT NULL,
  PRIMARY KEY (tenant_id, meter, quota_window, bucket_start)
);
CREATE INDEX granted_bound_prunable ON granted_bound (bucket_start);

-- Under which incarnation of the counters each counter was loaded last: another one means a loss.
CREATE TABLE counter_opening (
  tenant_id     TEXT NOT NULL,
  meter         TEXT NOT NULL,
  quota_window  TEXT NOT NULL,
  scale         INTEGER NOT NULL,
  incarnation   TEXT NOT NULL,
  -- Until when a lost short window may still hold admissions that nobody remembers.
  blocked_until TIMESTAMPTZ(3) NOT NULL,
  PRIMARY KEY (tenant_id, meter, quota_window, scale)
);

-- Counters that live in a process, between its orderly stop and the tenant's first use after the next start.
CREATE TABLE saved_counters (
  tenant_id   TEXT PRIMARY KEY,
  incarnation TEXT NOT NULL,
  state       JSONB NOT NULL
);

-- Alerts that were emitted, so that each is emitted once.
CREATE TABLE emitted_alert (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL,
  emitted_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);
