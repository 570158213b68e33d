-- Totals of what limits with "by" or "where" count, as in usage_total. A series is "meter|scope" or "meter|scope|combination",
-- the latter two as digests: rules/scopes.ts.
CREATE TABLE scoped_total (
  tenant_id    TEXT NOT NULL,
  series       TEXT COLLATE "C" NOT NULL,
  grain        TEXT NOT NULL,
  bucket_start TIMESTAMPTZ(3) NOT NULL,
  total        NUMERIC NOT NULL,
  PRIMARY KEY (tenant_id, series, grain, bucket_start)
);
CREATE INDEX scoped_total_prunable ON scoped_total (bucket_start);

-- The combinations of values that were recorded in each billing period. A scope is "meter|scope".
CREATE TABLE combination (
  tenant_id    TEXT NOT NULL,
  scope        TEXT COLLATE "C" NOT NULL,
  period_start TIMESTAMPTZ(3) NOT NULL,
  -- The digest of the values.
  id           TEXT COLLATE "C" NOT NULL,
  -- In the order of the names, ascending.
  dimensions   TEXT[] NOT NULL,
  PRIMARY KEY (tenant_id, scope, period_start, id)
);
CREATE INDEX combination_prunable ON combination (period_start);
-- And how many there are.
CREATE TABLE combination_count (
  tenant_id    TEXT NOT NULL,
  scope        TEXT COLLATE "C" NOT NULL,
  period_start TIMESTAMPTZ(3) NOT NULL,
  combinations BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, scope, period_start)
);
CREATE INDEX combination_count_prunable ON combination_count (period_start);
