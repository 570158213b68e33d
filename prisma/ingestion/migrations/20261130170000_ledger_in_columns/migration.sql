-- A block in columns (schema/columns): the bytes that usage.recorded has, too. Its `entries` name the encoding, so that code of before waits
-- for its upgrade. Null: `entries` holds the block as text.
ALTER TABLE ledger_block ADD COLUMN packed BYTEA;

-- Where the server can: faster than the default by far. The table's is that of later months only.
DO $$
DECLARE
  month REGCLASS;
BEGIN
  FOR month IN SELECT 'ledger_block'::regclass UNION ALL SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'ledger_block'::regclass LOOP
    EXECUTE format('ALTER TABLE %s ALTER COLUMN packed SET COMPRESSION lz4', month);
  END LOOP;
EXCEPTION WHEN feature_not_supported THEN
  NULL;
END
$$;

-- A number of up to 8 bytes, big-endian: unsigned below 8 bytes, else signed.
CREATE FUNCTION packed_number(packed BYTEA, start_at INTEGER, width INTEGER) RETURNS BIGINT LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN width = 0 THEN 0
  ELSE ('x' || lpad(encode(substring(packed FROM start_at + 1 FOR width), 'hex'), 16, '0'))::bit(64)::bigint END $$;

-- A number of a column of numbers, which has a base of 8 bytes and a width before them.
CREATE FUNCTION packed_value(col BYTEA, place INTEGER) RETURNS BIGINT LANGUAGE sql IMMUTABLE AS
$$ SELECT packed_number(col, 0, 8) + packed_number(col, 9 + place * get_byte(col, 8), get_byte(col, 8)) $$;

-- The entries of a block in either encoding, as `entries` has them, and their places from 1 on. It finds the functions above whatever
-- schemas its caller looks into.
CREATE FUNCTION ledger_entries(entries TEXT, packed BYTEA) RETURNS TABLE (entry JSON, n BIGINT) LANGUAGE plpgsql IMMUTABLE
SET search_path FROM CURRENT AS $$
DECLARE
  -- Once in memory: each part of a compressed value would be cut out of all of it again.
  block    BYTEA := packed || ''::bytea;
  sections BYTEA[];
  start_at INTEGER := 88;
  bytes    INTEGER;
  streams  JSONB;
  stream   JSONB;
  others   JSON[];
  numbers  BYTEA;
  times    BYTEA;
  arrivals BYTEA;
  id_bytes BYTEA;
  of_data  BYTEA;
  ids      BYTEA;
  data     BYTEA;
  place    INTEGER := 0;
  other    INTEGER := 1;
  at_id    INTEGER := 1;
  at_data  INTEGER := 1;
  id       TEXT;
  body     TEXT;
BEGIN
  IF packed IS NULL THEN
    RETURN QUERY SELECT e.value, e.ordinality FROM json_array_elements(entries::json) WITH ORDINALITY AS e (value, ordinality);
    RETURN;
  END IF;
  IF get_byte(block, 0) <> 2 OR get_byte(block, 1) <> 1 OR get_byte(block, 2) <> 2 OR get_byte(block, 3) <> 0 THEN
    RAISE EXCEPTION 'the block is in an encoding that this version of Metrly does not have: %', entries;
  END IF;
  FOR i IN 0 .. 8 LOOP
    bytes := packed_number(block, 44 + 4 * i, 4);
    sections := sections || substring(block FROM start_at + 1 FOR bytes);
    start_at := start_at + bytes;
  END LOOP;
  streams := convert_from(sections[1], 'UTF8')::jsonb;
  IF octet_length(sections[2]) > 0 THEN
    others := ARRAY(SELECT value FROM json_array_elements(convert_from(sections[2], 'UTF8')::json));
  END IF;
  numbers := sections[3];
  times := sections[4];
  arrivals := sections[5];
  id_bytes := sections[6];
  of_data := sections[7];
  ids := sections[8];
  data := sections[9];
  FOR i IN 0 .. packed_number(block, 12, 4)::integer - 1 LOOP
    n := i + 1;
    IF (others[other] ->> 0)::integer = i THEN
      entry := others[other] -> 1;
      other := other + 1;
    ELSE
      stream := streams -> packed_value(numbers, place)::integer;
      bytes := packed_value(id_bytes, place);
      id := convert_from(substring(ids FROM at_id FOR bytes), 'UTF8');
      at_id := at_id + bytes;
      bytes := packed_value(of_data, place);
      body := convert_from(substring(data FROM at_data FOR bytes), 'UTF8');
      at_data := at_data + bytes;
      IF (stream ->> 3)::integer = 0 THEN
        entry := json_build_array(stream ->> 0, stream ->> 1, id, stream ->> 2, packed_value(times, place), packed_value(arrivals, place), body);
      ELSE
        entry := json_build_object('kind', 'import', 'tenantId', stream ->> 0, 'source', stream ->> 1, 'id', id, 'type', stream ->> 2,
          'time', packed_value(times, place), 'receivedAt', packed_value(arrivals, place), 'data', body);
      END IF;
      place := place + 1;
    END IF;
    RETURN NEXT;
  END LOOP;
END
$$;

-- The ledger as rows, for people and tests, as before.
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
FROM ledger_block b CROSS JOIN LATERAL ledger_entries(b.entries, b.packed) AS e (entry, n);
