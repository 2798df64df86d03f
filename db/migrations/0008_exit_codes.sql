-- vsay schema, version 8: the exit codes of commands.
-- Runs unchanged on MariaDB 10.x and MySQL 5.6 and later, and is safe to run again. Workers of
-- version 7 keep working meanwhile: a new last column changes only the dictionary, from MariaDB
-- 10.3 and MySQL 8.0 on; older servers copy the table and allow writes to it meanwhile.

SET time_zone = '+00:00';

-- exit_code: NULL while the command runs, and where the agent does not know it.
SET @alter = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
                 AND table_name = 'commands' AND column_name = 'exit_code') > 0, 'DO 0',
    'ALTER TABLE commands ADD exit_code TINYINT UNSIGNED NULL');
PREPARE alter_table FROM @alter;
EXECUTE alter_table;
DEALLOCATE PREPARE alter_table;

INSERT IGNORE INTO schema_migrations (version, applied_at) VALUES (8, UTC_TIMESTAMP());
