-- vsay schema, version 5: where the user of a session comes from, and when it was active last.
-- Runs unchanged on MariaDB 10.x and MySQL 5.6 and later, and is safe to run again: the table is
-- altered at one go, unless it has been already. Workers of version 4 go on while it runs.

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

INSERT IGNORE INTO schema_migrations (version, applied_at) VALUES (5, UTC_TIMESTAMP());
