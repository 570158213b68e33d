-- The processes that may have written to a life of the counters in Redis. After a restart of Redis the life goes on if the last
-- write of each is there: "last" is its number where the process has stopped, and null while it can tell it itself.
CREATE TABLE counter_writer (
  writer     TEXT PRIMARY KEY,
  life       TEXT NOT NULL,
  last       BIGINT,
  entered_at TIMESTAMPTZ(3) NOT NULL DEFAULT now()
);
CREATE INDEX counter_writer_life_idx ON counter_writer (life);
