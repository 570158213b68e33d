-- Bounds belong to an epoch, one life of a tenant's counters. A meter has one for its open reservations, requests have one per
-- bucket of a window. What was granted before stays granted, to an epoch that is over.
ALTER TABLE granted_bound RENAME TO granted_bound_by_window;
ALTER INDEX granted_bound_pkey RENAME TO granted_bound_by_window_pkey;
DROP INDEX granted_bound_prunable;

CREATE TABLE granted_bound (
  tenant_id  TEXT NOT NULL,
  epoch      TEXT NOT NULL,
  -- m|<meter>, or r|<window>|<start of the bucket, epoch ms>
  id         TEXT NOT NULL,
  -- The most that the counters alone may know to be admitted; raised before they admit it, lowered after they no longer do.
  bound      NUMERIC NOT NULL,
  -- Nothing under this bound lasts longer.
  expires_at TIMESTAMPTZ(3) NOT NULL,
  -- Another one with each change, always higher: a bound is lowered only if nobody has raised it meanwhile.
  version    BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, epoch, id)
);
CREATE INDEX granted_bound_prunable ON granted_bound (expires_at);
-- Of one sequence, so that a row that was pruned and comes again has a higher version than it ever had.
CREATE SEQUENCE granted_bound_version;

INSERT INTO granted_bound (tenant_id, epoch, id, bound, expires_at, version)
SELECT tenant_id, 'before', 'm|' || meter, max(open), max(expires_at), nextval('granted_bound_version')
FROM (
  SELECT tenant_id, meter, greatest(max(bound), sum(bound) FILTER (WHERE expires_at > now())) AS open,
         max(expires_at) AS expires_at
  FROM granted_bound_by_window WHERE meter <> '' GROUP BY tenant_id, meter, quota_window
) AS by_window
GROUP BY tenant_id, meter;

INSERT INTO granted_bound (tenant_id, epoch, id, bound, expires_at, version)
SELECT tenant_id, 'before', 'r|' || quota_window || '|' || (extract(epoch FROM bucket_start) * 1000)::bigint, bound,
       bucket_start + CASE quota_window
         WHEN 'HOUR' THEN interval '1 hour 3 minutes'
         WHEN 'DAY' THEN interval '1 day 1 hour'
         ELSE interval '1 month'
       END, nextval('granted_bound_version')
FROM granted_bound_by_window WHERE meter = '';

DROP TABLE granted_bound_by_window;

-- The epoch that a tenant's counters were built under last: without one it never had counters.
CREATE TABLE tenant_epoch (
  tenant_id TEXT PRIMARY KEY,
  epoch     TEXT NOT NULL
);
INSERT INTO tenant_epoch (tenant_id, epoch) SELECT DISTINCT tenant_id, 'before' FROM counter_opening;
DROP TABLE counter_opening;

-- Counters that live in a process, between its orderly stop and the next start, in parts: 0 is the head.
DROP TABLE saved_counters;
CREATE TABLE saved_counters (
  tenant_id TEXT NOT NULL,
  part      INTEGER NOT NULL,
  state     TEXT NOT NULL,
  PRIMARY KEY (tenant_id, part)
);
-- They are written and read once, within the seconds of a stop and a start: compressing them would take longer.
ALTER TABLE saved_counters ALTER COLUMN state SET STORAGE EXTERNAL;

-- Sliding windows are rebuilt from hundredths of their length. What was totalled in longer buckets counts in the last hundredth
-- that it can have happened in.
UPDATE usage_total SET bucket_start = bucket_start + interval '144 seconds' WHERE grain = 'HOUR_SLICE';
INSERT INTO usage_total (tenant_id, meter, grain, bucket_start, total)
SELECT tenant_id, meter, 'DAY_SLICE',
       to_timestamp(floor((extract(epoch FROM bucket_start) + 3599) / 864) * 864), total
FROM usage_total WHERE grain = 'HOUR';
