-- What a partition's items became, in total, counted apart from usage_account: items = events + duplicates + quarantined.
ALTER TABLE recorder_cursor
  ADD COLUMN items       BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN events      BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN duplicates  BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN quarantined BIGINT NOT NULL DEFAULT 0;
UPDATE recorder_cursor c SET items = a.items, events = a.events, duplicates = a.duplicates, quarantined = a.quarantined
FROM (SELECT partition, sum(accepted) AS items, sum(recorded) AS events, sum(duplicates) AS duplicates,
        sum(quarantined) AS quarantined FROM usage_account GROUP BY partition) a
WHERE a.partition = c.partition;

-- How many of a block's entries are events; null in blocks from before: they are counted one by one.
ALTER TABLE ledger_block ADD COLUMN event_count INTEGER;
