-- A demo fleet: two tenants, users of every role, machines, what was run on them in the past.
-- Safe to run again: it resets the demo. It touches only rows whose ids start with demo-. The
-- usage of fleets is the exception: it is added where there is none.
--
--   tenant   user id    name      role            tokens: vsayctl token --tenant ... --user-id ...
--   acme     user_456   johndoe   user            owns two machines, was granted two
--   acme     user_789   janedoe   user
--   acme     user_1     alice     company_admin
--   globex   user_900   bob       company_admin
--   default  user_0     root      super_admin
--
-- The machines without usage, except new-server, are online once tests/sim reports for them over
-- the API; it also opens their sessions, demo-sess-1 to demo-sess-8 (tests/sim/demo.py).

SET NAMES utf8mb4;

-- What sessions ran: seconds ago, and its exit code (NULL: not known).
DROP TEMPORARY TABLE IF EXISTS demo_commands;
CREATE TEMPORARY TABLE demo_commands (
    session_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seq        BIGINT UNSIGNED NOT NULL,
    ago        INT NOT NULL,
    command    TEXT NOT NULL,
    exit_code  TINYINT UNSIGNED NULL,
    PRIMARY KEY (session_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

START TRANSACTION;

SET @now = UTC_TIMESTAMP(3);

DELETE FROM commands       WHERE session_id LIKE 'demo-%';
DELETE FROM signals        WHERE session_id LIKE 'demo-%';
DELETE FROM sessions       WHERE session_id LIKE 'demo-%';
DELETE FROM machine_access WHERE agent_id   LIKE 'demo-%';
DELETE FROM machines       WHERE agent_id   LIKE 'demo-%';

INSERT INTO machines (agent_id, tenant_id, name, created_at)
VALUES
    ('demo-prod-1',  'acme',   'production-server',  @now - INTERVAL 400 DAY),
    ('demo-db-1',    'acme',   'database-primary',   @now - INTERVAL 400 DAY),
    ('demo-db-2',    'acme',   'database-replica',   @now - INTERVAL 210 DAY),
    ('demo-build-1', 'acme',   'build-runner',       @now - INTERVAL 95 DAY),
    ('demo-dev-1',   'acme',   'johns-workstation',  @now - INTERVAL 30 DAY),
    ('demo-new-1',   'acme',   'new-server',         @now - INTERVAL 1 HOUR),
    ('demo-shop-1',  'globex', 'storefront',         @now - INTERVAL 300 DAY),
    ('demo-shop-2',  'globex', 'storefront-standby', @now - INTERVAL 300 DAY),
    ('demo-order-1', 'globex', 'order-database',     @now - INTERVAL 290 DAY);

INSERT INTO machines
    (agent_id, tenant_id, name, cpu, memory, disk, last_heartbeat_at, created_at)
VALUES
    ('demo-stage-1', 'acme',   'staging-server',  640, 3150, 2240, @now - INTERVAL 2 HOUR,  @now - INTERVAL 380 DAY),
    ('demo-dev-2',   'acme',   'janes-laptop',   1510, 6680, 5530, @now - INTERVAL 3 DAY,   @now - INTERVAL 28 DAY),
    ('demo-store-1', 'globex', 'backup-storage',  320, 2070, 9180, @now - INTERVAL 26 HOUR, @now - INTERVAL 250 DAY);

INSERT INTO machine_access (tenant_id, user_id, agent_id, relation)
VALUES
    ('acme',   'user_456', 'demo-prod-1',  'owner'),
    ('acme',   'user_456', 'demo-dev-1',   'owner'),
    ('acme',   'user_456', 'demo-db-1',    'granted'),
    ('acme',   'user_456', 'demo-stage-1', 'granted'),
    ('acme',   'user_789', 'demo-dev-2',   'owner'),
    ('acme',   'user_789', 'demo-build-1', 'owner'),
    ('acme',   'user_789', 'demo-prod-1',  'granted'),
    ('globex', 'user_900', 'demo-shop-1',  'owner'),
    ('globex', 'user_900', 'demo-order-1', 'granted');

-- demo-sess-9 is on a machine that is offline: no list shows it as active.
INSERT INTO sessions
    (session_id, tenant_id, agent_id, user_id, username, source, state, browser, os,
     started_at, ended_at, close_reason)
VALUES
    ('demo-sess-9',  'acme',   'demo-stage-1', 'user_789', 'janedoe', 'cli',    'active', NULL,      NULL,      @now - INTERVAL 150 MINUTE, NULL, NULL),
    ('demo-sess-10', 'acme',   'demo-prod-1',  'user_456', 'johndoe', 'ui',     'closed', 'Chrome',  'macOS',   @now - INTERVAL 27 HOUR,    @now - INTERVAL 26 HOUR, 'exited'),
    ('demo-sess-11', 'globex', 'demo-shop-2',  'user_900', 'bob',     'cli',    'closed', NULL,      NULL,      @now - INTERVAL 5 HOUR,     @now - INTERVAL 4 HOUR,  'exited'),
    ('demo-sess-12', 'globex', 'demo-order-1', 'user_0',   'root',    'cli',    'closed', NULL,      NULL,      @now - INTERVAL 2 DAY,      @now - INTERVAL 47 HOUR, 'exited');

INSERT INTO demo_commands (session_id, seq, ago, command, exit_code)
VALUES
    ('demo-sess-9',  1,  8900,   'apt-get update', 0),
    ('demo-sess-9',  2,  8700,   'apt-get -y dist-upgrade', 0),
    ('demo-sess-9',  3,  7500,   'reboot', NULL),
    ('demo-sess-10', 1,  96500,  'cd /srv/www && git pull', 0),
    ('demo-sess-10', 2,  96200,  'systemctl restart php-fpm', 0),
    ('demo-sess-10', 3,  94000,  'exit', 0),
    ('demo-sess-11', 1,  17500,  'rsync -a --delete storefront:/srv/ /srv/', 0),
    ('demo-sess-11', 2,  14600,  'exit', 0),
    ('demo-sess-12', 1,  172000, 'last -n 20', 0),
    ('demo-sess-12', 2,  169500, 'exit', 0);

INSERT INTO commands
    (session_id, seq, tenant_id, agent_id, user_id, username, source, command, success,
     exit_code, executed_at)
SELECT s.session_id, d.seq, s.tenant_id, s.agent_id, s.user_id, s.username, s.source, d.command,
       d.exit_code = 0, d.exit_code, @now - INTERVAL d.ago SECOND
FROM demo_commands d JOIN sessions s ON s.session_id = d.session_id
ORDER BY d.ago DESC;

UPDATE machines m
SET m.last_command_at = (SELECT MAX(c.executed_at) FROM commands c WHERE c.agent_id = m.agent_id)
WHERE m.agent_id LIKE 'demo-%';

COMMIT;

DROP TEMPORARY TABLE demo_commands;

-- A month of usage, of the machines that are online and of the fleets that they are in: busy by day,
-- idle by night. The simulator's heartbeats go on from there. Slots as in src/store/usage.c.
DROP TEMPORARY TABLE IF EXISTS demo_usage;
CREATE TEMPORARY TABLE demo_usage (
    agent_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    step     SMALLINT UNSIGNED NOT NULL,
    slot     SMALLINT UNSIGNED NOT NULL,
    slot_at  INT UNSIGNED NOT NULL,
    samples  INT UNSIGNED NOT NULL,
    day      DOUBLE NOT NULL, -- from 0, deep in the night, to 1
    cpu      SMALLINT UNSIGNED NOT NULL,
    memory   SMALLINT UNSIGNED NOT NULL,
    disk     SMALLINT UNSIGNED NOT NULL,
    PRIMARY KEY (agent_id, step, slot)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

START TRANSACTION;

SET @now = UNIX_TIMESTAMP();

INSERT INTO demo_usage
SELECT m.agent_id, t.step, t.slot_at DIV t.step % t.slots, t.slot_at, t.step DIV 30, t.day,
       400 + t.day * (800 + CRC32(m.agent_id) % 2600) + CRC32(CONCAT(m.agent_id, t.slot_at)) % 600,
       2400 + CRC32(REVERSE(m.agent_id)) % 3200 + t.day * 900 +
           CRC32(CONCAT(t.slot_at, m.agent_id)) % 200,
       2000 + CRC32(CONCAT('disk', m.agent_id)) % 4000 + (t.slot_at - @now) DIV 5400
FROM machines m JOIN
    (SELECT ring.step, ring.slots, began.slot_at,
            POW(SIN(PI() * ((began.slot_at + 75600) % 86400) / 86400), 2) AS day
     FROM (SELECT 300 AS step, 300 AS slots UNION ALL SELECT 3600, 744) ring JOIN
         (SELECT r.step, (@now DIV r.step - 1 - n.n) * r.step AS slot_at
          FROM (SELECT 300 AS step UNION ALL SELECT 3600) r JOIN
              (SELECT a.d + 10 * b.d + 100 * c.d AS n
               FROM (SELECT 0 AS d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4
                     UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) a JOIN
                   (SELECT 0 AS d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4
                     UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) b JOIN
                   (SELECT 0 AS d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4
                     UNION SELECT 5 UNION SELECT 6 UNION SELECT 7) c) n) began
         ON began.step = ring.step AND began.slot_at > @now - (ring.slots - 1) * ring.step) t
WHERE m.agent_id LIKE 'demo-%' AND m.agent_id <> 'demo-new-1' AND m.last_heartbeat_at IS NULL;

DELETE FROM machine_usage WHERE agent_id LIKE 'demo-%';

INSERT INTO machine_usage
SELECT agent_id, step, slot, slot_at, samples,
       cpu * samples,    cpu - cpu DIV 4,       cpu + cpu DIV 2,
       memory * samples, memory - memory DIV 20, memory + memory DIV 20,
       disk * samples,   disk,                  disk
FROM demo_usage;

INSERT IGNORE INTO fleet_usage
SELECT o.tenant_id, o.user_id, u.step, u.slot, u.slot_at, u.step DIV 300,
       COUNT(*) * (u.step DIV 300), COUNT(*), COUNT(*),
       (o.machines - COUNT(*)) * (u.step DIV 300), o.machines - COUNT(*), o.machines - COUNT(*),
       ROUND(u.day * COUNT(*)) * (u.step DIV 300), ROUND(u.day * COUNT(*)), ROUND(u.day * COUNT(*)),
       SUM(u.cpu) * (u.step DIV 300),    AVG(u.cpu - u.cpu DIV 8), AVG(u.cpu + u.cpu DIV 8),
       SUM(u.memory) * (u.step DIV 300), AVG(u.memory),            AVG(u.memory),
       SUM(u.disk) * (u.step DIV 300),   AVG(u.disk),              AVG(u.disk)
FROM (SELECT '' AS tenant_id, '' AS user_id, agent_id, 12 AS machines
      FROM machines WHERE agent_id LIKE 'demo-%'
      UNION ALL
      SELECT tenant_id, '', agent_id, IF(tenant_id = 'acme', 8, 4)
      FROM machines WHERE agent_id LIKE 'demo-%'
      UNION ALL
      SELECT a.tenant_id, a.user_id, a.agent_id, t.machines
      FROM machine_access a JOIN
          (SELECT tenant_id, user_id, COUNT(*) AS machines FROM machine_access
           WHERE agent_id LIKE 'demo-%' GROUP BY tenant_id, user_id) t
          ON t.tenant_id = a.tenant_id AND t.user_id = a.user_id
      WHERE a.agent_id LIKE 'demo-%') o
    JOIN demo_usage u ON u.agent_id = o.agent_id
GROUP BY o.tenant_id, o.user_id, o.machines, u.step, u.slot, u.slot_at, u.day;

-- No sample of the fleets in the current slot: the machines have not reported yet.
UPDATE fleet_looks SET slot_at = @now DIV 300 * 300;

COMMIT;

DROP TEMPORARY TABLE demo_usage;
