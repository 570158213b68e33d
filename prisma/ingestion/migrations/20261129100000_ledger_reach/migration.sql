-- Where a partition's events reached an hour by their own times: none before first_seq is in that hour or a later one. It finds
-- the beginning of a period in the ledger; the moments of recording cannot, as they are those of different clocks. A row for an
-- hour that is newer than all before it, so few of them. Events of test tenants, whose clocks run by themselves, do not count.
CREATE TABLE ledger_reach (
  partition INTEGER NOT NULL,
  hour_ms   BIGINT NOT NULL,
  first_seq BIGINT NOT NULL,
  PRIMARY KEY (partition, hour_ms)
);
-- The partition's newest hour in ledger_reach; 0: none.
ALTER TABLE recorder_cursor ADD COLUMN reached_hour_ms BIGINT NOT NULL DEFAULT 0;

-- For events from before: none but a test tenant's was accepted as much as an hour ahead of its arrival.
INSERT INTO ledger_reach
SELECT partition, hour_ms, min(seq) FROM (
  SELECT partition, seq, max(hour_ms) OVER (PARTITION BY partition ORDER BY seq) AS hour_ms FROM (
    SELECT partition, seq, (least(time_ms, received_at_ms + 3600000) / 3600000) * 3600000 AS hour_ms
    FROM ledger WHERE kind = 'event'
  ) events
) reached
GROUP BY partition, hour_ms HAVING hour_ms > 0;
UPDATE recorder_cursor c SET reached_hour_ms = r.hour_ms
FROM (SELECT partition, max(hour_ms) AS hour_ms FROM ledger_reach GROUP BY partition) r
WHERE r.partition = c.partition;
