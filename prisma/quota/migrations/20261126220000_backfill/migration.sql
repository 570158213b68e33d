-- Meters that also count what was recorded unmetered before this entry.
CREATE TABLE meter_backfill (
  partition INTEGER NOT NULL,
  meter     TEXT NOT NULL,
  seq       BIGINT NOT NULL,
  PRIMARY KEY (partition, meter)
);
