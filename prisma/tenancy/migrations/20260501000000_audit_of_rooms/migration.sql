-- Where a change of another room was told of in the log: it is taken once, and reading goes on behind the last.
ALTER TABLE "audit_entry" ADD COLUMN "log_position" BIGINT;
CREATE UNIQUE INDEX "audit_entry_log_position_key" ON "audit_entry" ("log_position");
