-- The event log of embedded mode. A partition's row is its append lock: who holds it gives out the next offsets, so that
-- offsets become visible in commit order and a reader never sees a later record before an earlier one.
CREATE TABLE log_partition (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic text NOT NULL,
  partition int NOT NULL,
  -- Oldest offset a reader may ask for; records below it are garbage waiting to be deleted.
  first bigint NOT NULL DEFAULT 0,
  -- Offset of the next append.
  next bigint NOT NULL DEFAULT 0,
  UNIQUE (topic, partition),
  CHECK (partition >= 0),
  CHECK (first BETWEEN 0 AND next)
) WITH (fillfactor = 50);

CREATE TABLE log_record (
  partition_id int NOT NULL REFERENCES log_partition (id),
  log_offset bigint NOT NULL,
  key text,
  -- Whether older records of the same key go when a newer one is appended.
  compacted boolean NOT NULL,
  value bytea NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (partition_id, log_offset)
);

-- Values are read once and deleted soon: compressing them costs more than it saves.
ALTER TABLE log_record ALTER COLUMN value SET STORAGE EXTERNAL;

CREATE INDEX log_record_compaction ON log_record (partition_id, key) WHERE compacted;
