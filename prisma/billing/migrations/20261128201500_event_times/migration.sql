-- The time of each event of a delta of several, three bytes each: ms since the start of the delta's hour, in no order. Read only where
-- voids took the last event away. Merged deltas are read often and live long, so theirs are beside them. Deltas of before have none.
ALTER TABLE usage_delta ADD COLUMN times BYTEA;

CREATE TABLE usage_merged_times (
  tenant_id TEXT NOT NULL,
  seq       BIGINT NOT NULL,
  id        BIGINT NOT NULL,
  times     BYTEA NOT NULL,
  PRIMARY KEY (tenant_id, seq, id)
);

-- Small numbers of events next to each other: little to compress, and a delta's other columns are read without them.
ALTER TABLE usage_delta ALTER COLUMN times SET STORAGE EXTERNAL;
ALTER TABLE usage_merged_times ALTER COLUMN times SET STORAGE EXTERNAL;
