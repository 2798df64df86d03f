-- vsay schema, version 4: ids of users are as identity providers make them, with up to 128 bytes.
-- Runs unchanged on MariaDB 10.x and MySQL 5.6 and later, and is safe to run again. Workers of
-- version 3 go on while it runs: a longer column is a change of the dictionary only, but for MySQL
-- 5.6, which copies each table and holds up what is written to it meanwhile.

SET time_zone = '+00:00';

SET @alter = IF((SELECT character_maximum_length FROM information_schema.columns
                 WHERE table_schema = DATABASE() AND table_name = 'machine_access'
                 AND column_name = 'user_id') >= 128, 'DO 0',
    'ALTER TABLE machine_access
        MODIFY user_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL');
PREPARE alter_table FROM @alter;
EXECUTE alter_table;
DEALLOCATE PREPARE alter_table;

SET @alter = IF((SELECT character_maximum_length FROM information_schema.columns
                 WHERE table_schema = DATABASE() AND table_name = 'sessions'
                 AND column_name = 'user_id') >= 128, 'DO 0',
    'ALTER TABLE sessions
        MODIFY user_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL');
PREPARE alter_table FROM @alter;
EXECUTE alter_table;
DEALLOCATE PREPARE alter_table;

SET @alter = IF((SELECT character_maximum_length FROM information_schema.columns
                 WHERE table_schema = DATABASE() AND table_name = 'signals'
                 AND column_name = 'requested_by') >= 128, 'DO 0',
    'ALTER TABLE signals
        MODIFY requested_by VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL');
PREPARE alter_table FROM @alter;
EXECUTE alter_table;
DEALLOCATE PREPARE alter_table;

SET @alter = IF((SELECT character_maximum_length FROM information_schema.columns
                 WHERE table_schema = DATABASE() AND table_name = 'commands'
                 AND column_name = 'user_id') >= 128, 'DO 0',
    'ALTER TABLE commands
        MODIFY user_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL');
PREPARE alter_table FROM @alter;
EXECUTE alter_table;
DEALLOCATE PREPARE alter_table;

INSERT IGNORE INTO schema_migrations (version, applied_at) VALUES (4, UTC_TIMESTAMP());
