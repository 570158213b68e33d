-- When a tenant was closed, by its own clock: the period that holds this moment is the last one charged.
ALTER TABLE "tenant" ADD COLUMN "closed_at" TIMESTAMPTZ(3);
