-- A demo fleet: two tenants, users of every role, machines, sessions of every source, commands.
-- Safe to run again: it resets the demo. Only rows whose ids start with demo- are touched.
--
--   tenant   user id    name      role            tokens: vsayctl token --tenant ... --user-id ...
--   acme     user_456   johndoe   user            owns two machines, was granted two
--   acme     user_789   janedoe   user
--   acme     user_1     alice     company_admin
--   globex   user_900   bob       company_admin
--   default  user_0     root      super_admin
--
-- demo_pulse.sql keeps the fleet alive.

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

INSERT INTO machines
    (agent_id, tenant_id, name, cpu, memory, disk, last_heartbeat_at, created_at)
VALUES
    ('demo-prod-1',  'acme',   'production-server',  2550, 6020, 4810, @now - INTERVAL 2 SECOND,  @now - INTERVAL 400 DAY),
    ('demo-db-1',    'acme',   'database-primary',   4170, 7830, 6340, @now - INTERVAL 5 SECOND,  @now - INTERVAL 400 DAY),
    ('demo-db-2',    'acme',   'database-replica',   1890, 7410, 6290, @now - INTERVAL 7 SECOND,  @now - INTERVAL 210 DAY),
    ('demo-build-1', 'acme',   'build-runner',       8720, 5590, 7120, @now - INTERVAL 1 SECOND,  @now - INTERVAL 95 DAY),
    ('demo-dev-1',   'acme',   'johns-workstation',  1230, 4480, 3370, @now - INTERVAL 9 SECOND,  @now - INTERVAL 30 DAY),
    ('demo-stage-1', 'acme',   'staging-server',      640, 3150, 2240, @now - INTERVAL 2 HOUR,    @now - INTERVAL 380 DAY),
    ('demo-dev-2',   'acme',   'janes-laptop',       1510, 6680, 5530, @now - INTERVAL 3 DAY,     @now - INTERVAL 28 DAY),
    ('demo-new-1',   'acme',   'new-server',            0,    0,    0, NULL,                      @now - INTERVAL 1 HOUR),
    ('demo-shop-1',  'globex', 'storefront',         3380, 5270, 4090, @now - INTERVAL 4 SECOND,  @now - INTERVAL 300 DAY),
    ('demo-shop-2',  'globex', 'storefront-standby',  710, 4930, 4060, @now - INTERVAL 6 SECOND,  @now - INTERVAL 300 DAY),
    ('demo-order-1', 'globex', 'order-database',     5240, 8150, 7750, @now - INTERVAL 3 SECOND,  @now - INTERVAL 290 DAY),
    ('demo-store-1', 'globex', 'backup-storage',      320, 2070, 9180, @now - INTERVAL 26 HOUR,   @now - INTERVAL 250 DAY);

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
    ('demo-sess-1',  'acme',   'demo-prod-1',  'user_456', 'johndoe', 'ui',     'active', 'Chrome',  'macOS',   @now - INTERVAL 40 MINUTE,  NULL, NULL),
    ('demo-sess-2',  'acme',   'demo-dev-1',   'user_456', 'johndoe', 'vscode', 'active', NULL,      NULL,      @now - INTERVAL 130 MINUTE, NULL, NULL),
    ('demo-sess-3',  'acme',   'demo-db-1',    'user_1',   'alice',   'cli',    'active', NULL,      NULL,      @now - INTERVAL 15 MINUTE,  NULL, NULL),
    ('demo-sess-4',  'acme',   'demo-prod-1',  'user_789', 'janedoe', 'ui',     'active', 'Firefox', 'Linux',   @now - INTERVAL 8 MINUTE,   NULL, NULL),
    ('demo-sess-5',  'acme',   'demo-build-1', 'user_456', 'johndoe', 'cli',    'active', NULL,      NULL,      @now - INTERVAL 25 MINUTE,  NULL, NULL),
    ('demo-sess-6',  'acme',   'demo-db-2',    'user_1',   'alice',   'ui',     'active', 'Safari',  'macOS',   @now - INTERVAL 70 MINUTE,  NULL, NULL),
    ('demo-sess-7',  'globex', 'demo-shop-1',  'user_900', 'bob',     'ui',     'active', 'Edge',    'Windows', @now - INTERVAL 35 MINUTE,  NULL, NULL),
    ('demo-sess-8',  'globex', 'demo-order-1', 'user_900', 'bob',     'vscode', 'active', NULL,      NULL,      @now - INTERVAL 180 MINUTE, NULL, NULL),
    ('demo-sess-9',  'acme',   'demo-stage-1', 'user_789', 'janedoe', 'cli',    'active', NULL,      NULL,      @now - INTERVAL 150 MINUTE, NULL, NULL),
    ('demo-sess-10', 'acme',   'demo-prod-1',  'user_456', 'johndoe', 'ui',     'closed', 'Chrome',  'macOS',   @now - INTERVAL 27 HOUR,    @now - INTERVAL 26 HOUR, 'exited'),
    ('demo-sess-11', 'globex', 'demo-shop-2',  'user_900', 'bob',     'cli',    'closed', NULL,      NULL,      @now - INTERVAL 5 HOUR,     @now - INTERVAL 4 HOUR,  'exited'),
    ('demo-sess-12', 'globex', 'demo-order-1', 'user_0',   'root',    'cli',    'closed', NULL,      NULL,      @now - INTERVAL 2 DAY,      @now - INTERVAL 47 HOUR, 'exited');

INSERT INTO demo_commands (session_id, seq, ago, command, success)
VALUES
    ('demo-sess-1',  1,  2340,   'systemctl status nginx', 1),
    ('demo-sess-1',  2,  2310,   'tail -n 50 /var/log/nginx/error.log', 1),
    ('demo-sess-1',  3,  1500,   'nginx -t', 1),
    ('demo-sess-1',  4,  1480,   'systemctl reload nginx', 1),
    ('demo-sess-1',  5,  95,     'curl -sI http://localhost/', 1),
    ('demo-sess-2',  1,  7700,   'git switch -c fix/paging', 1),
    ('demo-sess-2',  2,  6900,   'make -j8', 0),
    ('demo-sess-2',  3,  6720,   'make -j8', 1),
    ('demo-sess-2',  4,  6600,   'make check', 1),
    ('demo-sess-2',  5,  1210,   'git commit -am "Fix paging"', 1),
    ('demo-sess-2',  6,  1190,   'git push', 1),
    ('demo-sess-3',  1,  880,    'mysqladmin status', 1),
    ('demo-sess-3',  2,  820,    'df -h /var/lib/mysql', 1),
    ('demo-sess-3',  3,  60,     'journalctl -u mysql --since "1 hour ago"', 1),
    ('demo-sess-4',  1,  450,    'uptime', 1),
    ('demo-sess-4',  2,  420,    'ps aux --sort=-%cpu | head', 1),
    ('demo-sess-4',  3,  140,    'kill -9 4711', 0),
    ('demo-sess-4',  4,  25,     'sudo systemctl restart worker@3', NULL),
    ('demo-sess-5',  1,  1400,   'docker ps', 1),
    ('demo-sess-5',  2,  1370,   'docker logs --tail 100 runner-7', 1),
    ('demo-sess-5',  3,  700,    'docker system prune -f', 1),
    ('demo-sess-6',  1,  4100,   'mysql -e "SHOW SLAVE STATUS\\G"', 1),
    ('demo-sess-6',  2,  3600,   'free -m', 1),
    ('demo-sess-6',  3,  310,    'echo ''Prüfung beendet ✓'' >> /root/NOTES', 1),
    ('demo-sess-7',  1,  2000,   'pm2 list', 1),
    ('demo-sess-7',  2,  1950,   'pm2 logs storefront --lines 20', 1),
    ('demo-sess-7',  3,  180,    'pm2 reload storefront', 1),
    ('demo-sess-8',  1,  10500,  'psql --version', 0),
    ('demo-sess-8',  2,  10400,  'mysql --version', 1),
    ('demo-sess-8',  3,  900,    'mysqldump --single-transaction orders | gzip > orders.sql.gz', 1),
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
