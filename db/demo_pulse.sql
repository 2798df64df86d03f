-- One moment in the life of the demo fleet (demo.sql), to be run every ten seconds or so:
-- heartbeats of the machines that are online, and now and then a command. Each session keeps its
-- last 100 commands.

SET NAMES utf8mb4;
START TRANSACTION;

SET @now = UTC_TIMESTAMP(3);

UPDATE machines
SET last_heartbeat_at = @now,
    cpu    = GREATEST(200, LEAST(9800, CAST(cpu AS SIGNED) + FLOOR(RAND() * 801) - 400)),
    memory = GREATEST(1000, LEAST(9500, CAST(memory AS SIGNED) + FLOOR(RAND() * 201) - 100)),
    disk   = GREATEST(1000, LEAST(9500, CAST(disk AS SIGNED) + FLOOR(RAND() * 21) - 10))
WHERE agent_id LIKE 'demo-%'
  AND agent_id NOT IN ('demo-stage-1', 'demo-dev-2', 'demo-new-1', 'demo-store-1');

-- NULL in half of the cases: then the statements below change nothing.
SET @session = NULL, @seq = NULL;
SELECT s.session_id, (SELECT MAX(c.seq) FROM commands c WHERE c.session_id = s.session_id) + 1
INTO @session, @seq
FROM sessions s JOIN machines m ON m.agent_id = s.agent_id
WHERE s.session_id LIKE 'demo-%' AND s.state = 'active' AND m.last_heartbeat_at = @now
  AND RAND() < 0.1
ORDER BY RAND()
LIMIT 1;

INSERT INTO commands
    (session_id, seq, tenant_id, agent_id, user_id, username, source, command, success, executed_at)
SELECT session_id, @seq, tenant_id, agent_id, user_id, username, source,
       ELT(1 + FLOOR(RAND() * 8), 'uptime', 'df -h', 'free -m', 'git status', 'ls -la',
           'systemctl --failed', 'tail -n 20 /var/log/syslog', 'ss -tlnp'),
       RAND() < 0.9, @now
FROM sessions
WHERE session_id = @session;

UPDATE machines m JOIN sessions s ON s.agent_id = m.agent_id
SET m.last_command_at = @now
WHERE s.session_id = @session;

DELETE FROM commands WHERE session_id = @session AND seq + 100 <= @seq;

COMMIT;
