-- vsay schema, version 5: where the user of a session comes from, when it was last active, and an
-- audit log.
-- Runs unchanged on MariaDB 10.x and MySQL 5.6 and later, and is safe to run again: sessions is
-- altered in one statement, unless that has been done. Workers of version 4 keep working meanwhile.

SET time_zone = '+00:00';

-- source_address: IPv4 or IPv6, as the session's start claims. last_activity_at: of the newest
-- command or keystroke that vsay has heard of. NULL where they are not known.
SET @alter = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
                 AND table_name = 'sessions' AND column_name = 'source_address') > 0, 'DO 0',
    'ALTER TABLE sessions
        ADD source_address   VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NULL,
        ADD last_activity_at DATETIME(3) NULL');
PREPARE alter_table FROM @alter;
EXECUTE alter_table;
DEALLOCATE PREPARE alter_table;

-- Rows are added and, when they are old, removed. No worker may change or remove any: see grants.sql.
-- tenant_id, user_id, username, role: who did it; the role is empty for vsayctl's user. The other
-- ids: what it was done to. request_id: as in the log.
CREATE TABLE IF NOT EXISTS audit (
    id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    happened_at DATETIME(3)   NOT NULL,
    tenant_id   VARCHAR(64)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id     VARCHAR(128)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    username    VARCHAR(255)  NOT NULL,
    role        VARCHAR(16)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    action      VARCHAR(32)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    session_id  VARCHAR(64)   CHARACTER SET ascii COLLATE ascii_bin NULL,
    agent_id    VARCHAR(64)   CHARACTER SET ascii COLLATE ascii_bin NULL,
    of_user_id  VARCHAR(128)  CHARACTER SET ascii COLLATE ascii_bin NULL,
    detail      VARCHAR(1000) NOT NULL,
    request_id  VARCHAR(16)   CHARACTER SET ascii COLLATE ascii_bin NULL,
    KEY by_time (happened_at),
    KEY by_user (user_id, happened_at),
    KEY by_session (session_id, happened_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

INSERT IGNORE INTO schema_migrations (version, applied_at) VALUES (5, UTC_TIMESTAMP());
