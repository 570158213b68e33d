-- Sets the password of the service's role to the one in its secret; the image runs this after 1-own-database.sql, and you run it
-- after changing the secret (docs/operations.md).
\getenv owner METRLY_OWNER
\set password `cat "$METRLY_OWNER_PASSWORD_FILE"`
ALTER ROLE :"owner" PASSWORD :'password';
