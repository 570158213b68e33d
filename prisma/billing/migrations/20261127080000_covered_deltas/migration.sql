-- MAX and LATEST keep a row per value, of which a total needs the top one. When an hour's deltas are merged, that one stands for
-- the rest of its cell, which reads then leave out; a void of an event of that hour brings them back.
ALTER TABLE usage_delta
  ADD COLUMN covered         BOOLEAN NOT NULL DEFAULT false,
  -- Events of the rows that this one stands for, and the newest of their times.
  ADD COLUMN covered_count   BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN covered_last_at BIGINT;

DROP INDEX usage_delta_by_hour;
CREATE INDEX usage_delta_by_hour ON usage_delta (tenant_id, hour, meter) WHERE NOT covered;
CREATE INDEX usage_delta_covered ON usage_delta (tenant_id, hour) WHERE covered;
CREATE INDEX usage_delta_voids ON usage_delta (tenant_id, hour) WHERE event_count < 0;
