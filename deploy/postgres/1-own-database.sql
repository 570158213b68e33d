-- The image runs this once, as superuser, when the volume is empty: creates the service's unprivileged role and the only
-- database that the role owns and may open.
\getenv owner METRLY_OWNER
CREATE ROLE :"owner" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
CREATE DATABASE :"owner" OWNER :"owner" ENCODING 'UTF8' TEMPLATE template0;
REVOKE CONNECT, TEMPORARY ON DATABASE :"owner" FROM PUBLIC;
REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC;
