-- What the database user of an operator may do: vsayctl's machine, grant, revoke, session and purge
-- need this and no more. Migrations need an administrator.
-- Runs on MariaDB 10.x and MySQL 5.6 and later, and is safe to run again.
--
-- vsayctl setup does all of this. By hand, as the database's administrator, after db/migrations:
--
--   1. CREATE USER vsayctl@localhost IDENTIFIED BY '...';
--   2. mysql vsay < db/grants-operator.sql
--
-- Error 1133 or 1410 below means that step 1 was left out.
--
-- vsayctl(1) tells how to work as that user.

GRANT SELECT                         ON schema_migrations TO vsayctl@localhost;
GRANT SELECT, INSERT, UPDATE, DELETE ON machines          TO vsayctl@localhost;
GRANT SELECT, INSERT, UPDATE, DELETE ON machine_access    TO vsayctl@localhost;
GRANT SELECT, UPDATE, DELETE         ON sessions          TO vsayctl@localhost;
GRANT SELECT, INSERT, UPDATE, DELETE ON signals           TO vsayctl@localhost;
GRANT SELECT, DELETE                 ON commands          TO vsayctl@localhost;
GRANT SELECT, INSERT, DELETE         ON audit             TO vsayctl@localhost;
GRANT SELECT, DELETE                 ON machine_usage     TO vsayctl@localhost;
GRANT SELECT, DELETE                 ON fleet_usage       TO vsayctl@localhost;
