-- An event stays an import, to which alerts do not react, also if it comes out of quarantine later.
ALTER TABLE quarantined_event ADD COLUMN imported BOOLEAN NOT NULL DEFAULT false;

-- The ledger as rows, for people and tests. An imported event is stored as an object of its kind, as an entry of another kind is.
CREATE OR REPLACE VIEW ledger AS
SELECT b.partition, b.first_seq + e.n - 1 AS seq, b.recorded_at_ms, b.tenancy_version,
  CASE WHEN json_typeof(e.entry) = 'array' THEN 'event' ELSE e.entry ->> 'kind' END AS kind,
  CASE WHEN json_typeof(e.entry) = 'array' THEN e.entry ->> 0 ELSE e.entry ->> 'tenantId' END AS tenant_id,
  CASE WHEN json_typeof(e.entry) = 'array' THEN e.entry ->> 1 ELSE e.entry ->> 'source' END AS source,
  CASE WHEN json_typeof(e.entry) = 'array' THEN e.entry ->> 2 ELSE e.entry ->> 'id' END AS id,
  CASE WHEN json_typeof(e.entry) = 'array' THEN e.entry ->> 3 ELSE e.entry ->> 'type' END AS type,
  (CASE WHEN json_typeof(e.entry) = 'array' THEN e.entry ->> 4 ELSE e.entry ->> 'time' END)::bigint AS time_ms,
  (CASE WHEN json_typeof(e.entry) = 'array' THEN e.entry ->> 5 ELSE e.entry ->> 'receivedAt' END)::bigint AS received_at_ms,
  CASE WHEN json_typeof(e.entry) = 'array' THEN e.entry ->> 6
    WHEN e.entry ->> 'kind' = 'import' THEN e.entry ->> 'data' ELSE e.entry::text END AS data
FROM ledger_block b CROSS JOIN LATERAL json_array_elements(b.entries::json) WITH ORDINALITY AS e (entry, n);
