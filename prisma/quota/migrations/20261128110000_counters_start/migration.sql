-- The number of starts of quota. Saved counters are valid for the next start only, and a process that another one has followed
-- saves none. One row, which also makes those that save and those that start wait for each other.
CREATE TABLE counters_start (
  the_one BOOLEAN PRIMARY KEY DEFAULT true CHECK (the_one),
  number  BIGINT NOT NULL
);
INSERT INTO counters_start (number) VALUES (0);
