-- Where a partition's events reached an hour by their own times: none before first_seq is in that hour or a later one. It finds
-- the beginning of a period in the ledger; the moments of recording cannot, as they are those of different clocks. A row for an
-- hour that is newer than all before it, so few of them. Events of test tenants, whose clocks run by themselves, do not count.
CREATE TABLE ledger_reach (
  partition INTEGER NOT NULL,
  hour_ms   BIGINT NOT NULL,
  first_seq BIGINT NOT NULL,
  PRIMARY KEY (partition, hour_ms)
);
-- reached_hour_ms: the partition's newest hour in ledger_reach; 0: none. reached_seq: up to there ledger_reach is complete. Behind
-- it, up to seq, is what a recorder of before this migration recorded, which it may still do after it.
ALTER TABLE recorder_cursor
  ADD COLUMN reached_hour_ms BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN reached_seq BIGINT NOT NULL DEFAULT 0;
