-- Meters that also count what was recorded unmetered before this entry, in the periods that had not ended there.
CREATE TABLE meter_backfill (
  partition INTEGER NOT NULL,
  meter     TEXT NOT NULL,
  seq       BIGINT NOT NULL,
  PRIMARY KEY (partition, meter)
);
