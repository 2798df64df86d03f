-- vsay schema, version 3: which instance of an agent a machine's reports come from, and why
-- commands of a session were left out.
-- Runs unchanged on MariaDB 10.x and MySQL 5.6 and later, and is safe to run again: each table is
-- altered in one statement, unless that has been done. Workers of version 2 keep working meanwhile.

SET time_zone = '+00:00';

-- instance: of the newest heartbeat, '' when its agent has none, and since when. refused_*: the
-- newest report of another instance while that one was online.
SET @alter = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
                 AND table_name = 'machines' AND column_name = 'instance') > 0, 'DO 0',
    'ALTER TABLE machines
        ADD instance         VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '''',
        ADD instance_since   DATETIME(3) NULL,
        ADD refused_instance VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '''',
        ADD refused_at       DATETIME(3) NULL');
PREPARE alter_table FROM @alter;
EXECUTE alter_table;
DEALLOCATE PREPARE alter_table;

-- A worker's reports name none of these: it may not change them.
ALTER TABLE machines ALTER tenant_id SET DEFAULT '', ALTER name SET DEFAULT '',
    ALTER created_at SET DEFAULT '2000-01-01 00:00:00';

-- opened_at: when vsay heard of the session, by its own clock; NULL for those of older workers.
SET @alter = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
                 AND table_name = 'sessions' AND column_name = 'opened_at') > 0, 'DO 0',
    'ALTER TABLE sessions ADD opened_at DATETIME(3) NULL');
PREPARE alter_table FROM @alter;
EXECUTE alter_table;
DEALLOCATE PREPARE alter_table;

-- not_recorded_reason: why commands of the session were left out; NULL when none were.
SET @alter = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
                 AND table_name = 'sessions' AND column_name = 'not_recorded_reason') > 0, 'DO 0',
    'ALTER TABLE sessions ADD not_recorded_reason VARCHAR(255) NULL');
PREPARE alter_table FROM @alter;
EXECUTE alter_table;
DEALLOCATE PREPARE alter_table;

INSERT IGNORE INTO schema_migrations (version, applied_at) VALUES (3, UTC_TIMESTAMP());
