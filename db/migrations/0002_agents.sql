-- vsay schema, version 2: agents report over the API, and terminations leave a receipt.
-- Runs unchanged on MariaDB 10.x and MySQL 5.6 and later, and is safe to run again: each table is
-- altered in one statement, unless that has been done. Workers of version 1 keep working meanwhile.

SET time_zone = '+00:00';

-- token_generation: tokens of other generations are void. report_seq: of the newest heartbeat.
SET @alter = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
                 AND table_name = 'machines' AND column_name = 'token_generation') > 0, 'DO 0',
    'ALTER TABLE machines
        ADD token_generation INT UNSIGNED NOT NULL DEFAULT 1,
        ADD report_seq       BIGINT UNSIGNED NOT NULL DEFAULT 0,
        ADD dropped_commands BIGINT UNSIGNED NOT NULL DEFAULT 0');
PREPARE alter_table FROM @alter;
EXECUTE alter_table;
DEALLOCATE PREPARE alter_table;

-- opened_seq: heartbeats with a smaller number do not know of the session yet.
SET @alter = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
                 AND table_name = 'sessions' AND column_name = 'opened_seq') > 0, 'DO 0',
    'ALTER TABLE sessions
        ADD opened_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
        ADD exit_code  TINYINT UNSIGNED NULL');
PREPARE alter_table FROM @alter;
EXECUTE alter_table;
DEALLOCATE PREPARE alter_table;

-- due_at: from when on a signal is to be delivered (again); NULL once its session has ended.
SET @alter = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
                 AND table_name = 'signals' AND column_name = 'due_at') > 0, 'DO 0',
    'ALTER TABLE signals
        ADD reason       VARCHAR(255) NOT NULL DEFAULT '''',
        ADD due_at       DATETIME(3) NULL,
        ADD delivered_at DATETIME(3) NULL,
        ADD attempts     INT UNSIGNED NOT NULL DEFAULT 0,
        ADD outcome      ENUM(''confirmed'', ''vanished'', ''expired'') NULL,
        ADD confirmed_at DATETIME(3) NULL,
        ADD KEY by_due (due_at),
        ADD KEY by_machine_due (agent_id, due_at),
        DROP KEY by_machine');
PREPARE alter_table FROM @alter;
EXECUTE alter_table;
DEALLOCATE PREPARE alter_table;

-- The default is for workers of version 1. It comes after the column, or it would fill the rows that
-- are there with each server's own time: different ones on the nodes of a cluster.
ALTER TABLE signals MODIFY due_at DATETIME(3) NULL DEFAULT CURRENT_TIMESTAMP(3);

UPDATE signals SET due_at = UTC_TIMESTAMP(3) WHERE outcome IS NULL AND due_at IS NULL;

-- Signals of sessions that ended before there were receipts.
UPDATE signals g JOIN sessions s ON s.session_id = g.session_id
SET g.outcome = 'vanished', g.due_at = NULL
WHERE g.outcome IS NULL AND s.state = 'closed';

INSERT IGNORE INTO schema_migrations (version, applied_at) VALUES (2, UTC_TIMESTAMP());
