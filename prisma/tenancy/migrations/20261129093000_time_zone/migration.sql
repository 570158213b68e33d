-- The zone whose calendar a tenant's windows of days, weeks and months follow.
ALTER TABLE "tenant" ADD COLUMN "time_zone" TEXT NOT NULL DEFAULT 'UTC';
