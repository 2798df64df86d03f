-- What the database user of vsay-api may do: this and no more.
-- Runs on MariaDB 10.x and MySQL 5.6 and later, and is safe to run again.
--
-- As the database's administrator, in this order:
--
--   1. CREATE DATABASE vsay CHARACTER SET utf8mb4;
--   2. vsayctl migrate, as a user who may create tables (vsayctl(1) tells how),
--      or: cat db/migrations/*.sql | mysql vsay
--   3. CREATE USER vsay@localhost IDENTIFIED BY '...';
--   4. mysql vsay < db/grants.sql
--
-- Error 1133 or 1410 below means that step 3 was left out, 1146 that step 2 was.
--
-- vsay@localhost is for a database on the same host. For workers on other hosts create
-- vsay@'10.0.0.%' or the like (vsay@'%' is any host), and put that name into the lines below.
-- On MySQL and MariaDB '%' does not stand for localhost where an anonymous @localhost user exists.

GRANT SELECT                 ON schema_migrations TO vsay@localhost;
GRANT SELECT, INSERT, UPDATE ON machines          TO vsay@localhost;
GRANT SELECT                 ON machine_access    TO vsay@localhost;
GRANT SELECT, INSERT, UPDATE ON sessions          TO vsay@localhost;
GRANT SELECT, INSERT, UPDATE ON signals           TO vsay@localhost;
GRANT SELECT, INSERT, UPDATE ON commands          TO vsay@localhost;
