-- Deltas that were recorded in the same hour are merged by adding once the hour is over; the index finds those that were not yet.
ALTER TABLE usage_delta ADD COLUMN merged BOOLEAN NOT NULL DEFAULT false;
CREATE INDEX usage_delta_unmerged ON usage_delta (recorded_hour, tenant_id) WHERE NOT merged;
