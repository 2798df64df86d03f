-- vsay schema, version 6: indexes for searching in the history of sessions and commands.
-- Runs unchanged on MariaDB 10.x and MySQL 5.6 and later, and is safe to run again: each table is
-- altered in one statement, unless that has been done. Workers of version 5 keep working meanwhile.

SET time_zone = '+00:00';

-- Each takes the place of one that began with the same columns, or had them in another order. The
-- user comes first, so that the tenants in which a user id is found are found in the index.
SET @alter = IF((SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE()
                 AND table_name = 'commands' AND index_name = 'by_user_time') > 0, 'DO 0',
    'ALTER TABLE commands
        ADD KEY by_user_time (user_id, tenant_id, executed_at),
        DROP KEY by_user');
PREPARE alter_table FROM @alter;
EXECUTE alter_table;
DEALLOCATE PREPARE alter_table;

SET @alter = IF((SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE()
                 AND table_name = 'sessions' AND index_name = 'by_machine_time') > 0, 'DO 0',
    'ALTER TABLE sessions
        ADD KEY by_machine_time (state, agent_id, tenant_id, started_at),
        DROP KEY by_machine');
PREPARE alter_table FROM @alter;
EXECUTE alter_table;
DEALLOCATE PREPARE alter_table;

-- Who asked for the ends of sessions.
SET @alter = IF((SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE()
                 AND table_name = 'signals' AND index_name = 'by_requester') > 0, 'DO 0',
    'ALTER TABLE signals ADD KEY by_requester (requested_by, requested_at)');
PREPARE alter_table FROM @alter;
EXECUTE alter_table;
DEALLOCATE PREPARE alter_table;

INSERT IGNORE INTO schema_migrations (version, applied_at) VALUES (6, UTC_TIMESTAMP());
