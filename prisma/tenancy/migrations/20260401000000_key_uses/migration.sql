-- When a key was last used, as far as processes have told: no part of the key's state, and of no version.
ALTER TABLE "api_key" ADD COLUMN "last_used_at" TIMESTAMPTZ(3);
