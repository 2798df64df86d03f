-- What the database user of vsay-api may do: this and no more.
-- Runs on MariaDB 10.x and MySQL 5.6 and later, and is safe to run again.
--
-- A worker writes the columns named below and no others: it cannot give a session to another
-- user, void a token, change who asked for a termination, or change or remove what was recorded.
--
-- vsayctl setup does all of this. By hand, as the database's administrator, in this order:
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
--
-- Releases before this one granted the worker whole tables. GRANT takes nothing away: once all
-- workers are of this release, run REVOKE ALL PRIVILEGES, GRANT OPTION FROM vsay@localhost; and then
-- this file, one right after the other. Requests in between are answered with 500.

-- Where reports update rows by INSERT ... ON DUPLICATE KEY UPDATE, both servers ask for INSERT and
-- UPDATE on each column that the statement names: so agent_id is among those of machines, and
-- all are of commands.

GRANT SELECT ON schema_migrations TO vsay@localhost;
GRANT SELECT ON machine_access    TO vsay@localhost;

GRANT SELECT,
      INSERT (agent_id, last_heartbeat_at, last_command_at, cpu, memory, disk, dropped_commands,
              report_seq, instance, instance_since, usage_now),
      UPDATE (agent_id, last_heartbeat_at, last_command_at, cpu, memory, disk, dropped_commands,
              report_seq, instance, instance_since, usage_now, refused_instance, refused_at)
      ON machines TO vsay@localhost;

GRANT SELECT,
      INSERT (session_id, tenant_id, agent_id, user_id, username, source, browser, os, source_address,
              started_at, opened_seq, opened_at),
      UPDATE (state, ended_at, close_reason, exit_code, not_recorded_reason, last_activity_at)
      ON sessions TO vsay@localhost;

GRANT SELECT,
      INSERT (session_id, agent_id, requested_by, requested_by_username, requested_at, reason, due_at),
      UPDATE (due_at, delivered_at, attempts, outcome, confirmed_at)
      ON signals TO vsay@localhost;

GRANT SELECT,
      INSERT (session_id, seq, tenant_id, agent_id, user_id, username, source, command, success,
              exit_code, executed_at),
      UPDATE (session_id, seq, tenant_id, agent_id, user_id, username, source, command, success,
              exit_code, executed_at)
      ON commands TO vsay@localhost;

GRANT SELECT, INSERT ON audit TO vsay@localhost;

-- Usage over time holds nothing but figures.
GRANT SELECT, INSERT, UPDATE ON machine_usage TO vsay@localhost;
GRANT SELECT, INSERT, UPDATE ON fleet_usage   TO vsay@localhost;
GRANT SELECT, UPDATE         ON fleet_looks   TO vsay@localhost;
