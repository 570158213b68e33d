-- Finds the oldest event in quarantine under a key, which is resolved next, at the same cost however many there are.
CREATE INDEX quarantined_event_pending ON quarantined_event (partition, key, position) WHERE status = 'QUARANTINED';
