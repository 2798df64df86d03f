-- vsay schema, version 4: ids of users are as identity providers make them, with up to 128 bytes.
-- Runs unchanged on MariaDB 10.x and MySQL 5.6 and later, and is safe to run again. Workers of
-- version 3 keep working meanwhile: a longer column changes only the dictionary. MySQL 5.6 is the
-- exception: it copies each table and blocks writes to it meanwhile.

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
