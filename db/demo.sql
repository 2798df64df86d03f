-- A demo fleet: two tenants, users of every role, machines, what was run on them in the past.
-- Safe to run again: it resets the demo. Only rows whose ids start with demo- are touched.
--
--   tenant   user id    name      role            tokens: vsayctl token --tenant ... --user-id ...
--   acme     user_456   johndoe   user            owns two machines, was granted two
--   acme     user_789   janedoe   user
--   acme     user_1     alice     company_admin
--   globex   user_900   bob       company_admin
--   default  user_0     root      super_admin
--
-- The machines without usage, but for new-server, are online once tests/sim reports for them over
-- the API; it also opens their sessions, demo-sess-1 to demo-sess-8 (tests/sim/demo.py).

SET NAMES utf8mb4;

-- What sessions ran: seconds ago, and whether it succeeded (NULL: not known).
DROP TEMPORARY TABLE IF EXISTS demo_commands;
CREATE TEMPORARY TABLE demo_commands (
    session_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seq        BIGINT UNSIGNED NOT NULL,
    ago        INT NOT NULL,
    command    TEXT NOT NULL,
    success    TINYINT NULL,
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

INSERT INTO demo_commands (session_id, seq, ago, command, success)
VALUES
    ('demo-sess-9',  1,  8900,   'apt-get update', 1),
    ('demo-sess-9',  2,  8700,   'apt-get -y dist-upgrade', 1),
    ('demo-sess-9',  3,  7500,   'reboot', NULL),
    ('demo-sess-10', 1,  96500,  'cd /srv/www && git pull', 1),
    ('demo-sess-10', 2,  96200,  'systemctl restart php-fpm', 1),
    ('demo-sess-10', 3,  94000,  'exit', 1),
    ('demo-sess-11', 1,  17500,  'rsync -a --delete storefront:/srv/ /srv/', 1),
    ('demo-sess-11', 2,  14600,  'exit', 1),
    ('demo-sess-12', 1,  172000, 'last -n 20', 1),
    ('demo-sess-12', 2,  169500, 'exit', 1);

INSERT INTO commands
    (session_id, seq, tenant_id, agent_id, user_id, username, source, command, success, executed_at)
SELECT s.session_id, d.seq, s.tenant_id, s.agent_id, s.user_id, s.username, s.source, d.command,
       d.success, @now - INTERVAL d.ago SECOND
FROM demo_commands d JOIN sessions s ON s.session_id = d.session_id
ORDER BY d.ago DESC;

UPDATE machines m
SET m.last_command_at = (SELECT MAX(c.executed_at) FROM commands c WHERE c.agent_id = m.agent_id)
WHERE m.agent_id LIKE 'demo-%';

COMMIT;

DROP TEMPORARY TABLE demo_commands;
