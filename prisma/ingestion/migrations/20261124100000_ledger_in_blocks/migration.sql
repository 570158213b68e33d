-- The ledger in blocks: one row for the entries that one transaction records, its bytes compressed, in one table per month of
-- recording, so that an old month can be detached and archived (docs/operations.md). What was there moves with it.
ALTER TABLE ledger RENAME TO ledger_before;
ALTER INDEX ledger_pkey RENAME TO ledger_before_pkey;

CREATE TABLE ledger_block (
  partition       INTEGER NOT NULL,
  first_seq       BIGINT NOT NULL,
  last_seq        BIGINT NOT NULL,
  -- The stamp that the block's entries share.
  recorded_at_ms  BIGINT NOT NULL,
  tenancy_version BIGINT NOT NULL,
  -- Newest `at` of the ticks inside; null: there are none.
  ticked_ms       BIGINT,
  -- Whether something other than a tick concerns every tenant.
  is_shared       BOOLEAN NOT NULL,
  -- Whose entries are inside.
  tenants         TEXT[] NOT NULL,
  -- JSON array in the order of seq. An event: [tenant, source, id, type, time ms, received at ms, data]. Anything else: an
  -- object, as usage.recorded carries it, without the stamp.
  entries         TEXT NOT NULL,
  PRIMARY KEY (partition, last_seq, recorded_at_ms),
  CHECK (first_seq >= 1 AND last_seq >= first_seq)
) PARTITION BY RANGE (recorded_at_ms);
-- Ticks alone are most blocks of a quiet partition: a reader of one tenant's ledger passes them by.
CREATE INDEX ledger_block_of_tenants ON ledger_block (partition, last_seq) WHERE tenants <> '{}';
CREATE INDEX ledger_block_of_none ON ledger_block (partition, last_seq) INCLUDE (ticked_ms, is_shared) WHERE tenants = '{}';

-- Where the server can: faster than the default by far.
DO $$
BEGIN
  ALTER TABLE ledger_block ALTER COLUMN entries SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
  NULL;
END
$$;

-- Makes sure that what is recorded at a moment has its month's table, without keeping readers or recorders waiting.
CREATE FUNCTION ensure_ledger_month(at_ms BIGINT) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
  starts_at TIMESTAMP := date_trunc('month', to_timestamp(at_ms / 1000.0) AT TIME ZONE 'UTC');
  from_ms   BIGINT := extract(epoch FROM starts_at) * 1000;
  to_ms     BIGINT := extract(epoch FROM starts_at + INTERVAL '1 month') * 1000;
  name      TEXT := 'ledger_' || to_char(starts_at, 'YYYY_MM');
BEGIN
  IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock(hashtext('ledger months'));
  -- Asked of the table, not of the catalogue's cache, which may not know yet what another process just made.
  IF EXISTS (SELECT FROM pg_class WHERE relname = name AND relnamespace = current_schema()::regnamespace) THEN RETURN; END IF;
  EXECUTE format('CREATE TABLE %I (LIKE ledger_block INCLUDING ALL)', name);
  -- A statement on the month's own table does not fire the trigger of the whole.
  EXECUTE format('CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change()', name);
  EXECUTE format('ALTER TABLE ledger_block ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name, from_ms, to_ms);
END
$$;

CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_block
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change();

-- One block per run of entries with the same stamp, as they were recorded, cut where it grows large.
CREATE TEMPORARY TABLE ledger_moved ON COMMIT DROP AS
SELECT partition, min(seq) AS first_seq, max(seq) AS last_seq, recorded_at_ms, tenancy_version,
  max(time_ms) FILTER (WHERE kind = 'tick') AS ticked_ms,
  bool_or(tenant_id IS NULL AND kind <> 'tick') AS is_shared,
  coalesce(array_agg(DISTINCT tenant_id) FILTER (WHERE tenant_id IS NOT NULL), '{}') AS tenants,
  '[' || string_agg(CASE WHEN kind = 'event'
    THEN json_build_array(tenant_id, source, id, type, time_ms, received_at_ms, data)::text
    ELSE '{"kind":"' || kind || '",' || substr(data, 2) END, ',' ORDER BY seq) || ']' AS entries
FROM (
  SELECT *, sum(octet_length(data) + 100) OVER (PARTITION BY partition, run ORDER BY seq) / 200000 AS piece
  FROM (
    SELECT *, count(*) FILTER (WHERE is_first) OVER (PARTITION BY partition ORDER BY seq) AS run
    FROM (
      SELECT *, (recorded_at_ms, tenancy_version) IS DISTINCT FROM
        (lag(recorded_at_ms) OVER w, lag(tenancy_version) OVER w) AS is_first
      FROM ledger_before WINDOW w AS (PARTITION BY partition ORDER BY seq)
    ) marked
  ) runs
) pieces
GROUP BY partition, run, piece, recorded_at_ms, tenancy_version;
SELECT ensure_ledger_month(recorded_at_ms) FROM (SELECT min(recorded_at_ms) AS recorded_at_ms FROM ledger_moved
  GROUP BY date_trunc('month', to_timestamp(recorded_at_ms / 1000.0) AT TIME ZONE 'UTC')) months;
INSERT INTO ledger_block SELECT * FROM ledger_moved;
DROP TABLE ledger_before;

-- Entry by entry, for people: reading it costs by blocks, so ask it with a partition and few of them.
CREATE VIEW ledger AS
SELECT b.partition, b.first_seq + e.n - 1 AS seq, b.recorded_at_ms, b.tenancy_version,
  CASE WHEN json_typeof(e.entry) = 'array' THEN 'event' ELSE e.entry ->> 'kind' END AS kind,
  CASE WHEN json_typeof(e.entry) = 'array' THEN e.entry ->> 0 ELSE e.entry ->> 'tenantId' END AS tenant_id,
  e.entry ->> 1 AS source, e.entry ->> 2 AS id, e.entry ->> 3 AS type,
  (e.entry ->> 4)::bigint AS time_ms, (e.entry ->> 5)::bigint AS received_at_ms,
  CASE WHEN json_typeof(e.entry) = 'array' THEN e.entry ->> 6 ELSE e.entry::text END AS data
FROM ledger_block b CROSS JOIN LATERAL json_array_elements(b.entries::json) WITH ORDINALITY AS e (entry, n);
