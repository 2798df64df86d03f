-- vsay schema, version 7: usage over time, of machines and of fleets.
-- Runs unchanged on MariaDB 10.x and MySQL 5.6 and later, and is safe to run again. Workers of
-- version 6 keep working meanwhile.

SET time_zone = '+00:00';

-- usage_now: the heartbeats of the five minutes under way, as src/store/usage.c packs them; '' when
-- there are none yet. by_tenant_agent: for lists of machines.
SET @alter = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
                 AND table_name = 'machines' AND column_name = 'usage_now') > 0, 'DO 0',
    'ALTER TABLE machines
        ADD usage_now VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '''',
        ADD KEY by_tenant_agent (tenant_id, agent_id)');
PREPARE alter_table FROM @alter;
EXECUTE alter_table;
DEALLOCATE PREPARE alter_table;

-- A ring of slots for each machine and step, 300 or 3600 s: a slot is used again when the ring has
-- gone round. slot_at: when it began, in Unix seconds; what is older than the ring is void. Figures
-- are sums, least and greatest of `samples` heartbeats, in hundredths of a percent.
CREATE TABLE IF NOT EXISTS machine_usage (
    agent_id   VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    step       SMALLINT UNSIGNED NOT NULL,
    slot       SMALLINT UNSIGNED NOT NULL,
    slot_at    INT UNSIGNED NOT NULL,
    samples    INT UNSIGNED NOT NULL,
    cpu_sum    INT UNSIGNED NOT NULL,
    cpu_min    SMALLINT UNSIGNED NOT NULL,
    cpu_max    SMALLINT UNSIGNED NOT NULL,
    memory_sum INT UNSIGNED NOT NULL,
    memory_min SMALLINT UNSIGNED NOT NULL,
    memory_max SMALLINT UNSIGNED NOT NULL,
    disk_sum   INT UNSIGNED NOT NULL,
    disk_min   SMALLINT UNSIGNED NOT NULL,
    disk_max   SMALLINT UNSIGNED NOT NULL,
    PRIMARY KEY (agent_id, step, slot)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The same for fleets: of a user; of a tenant, with user_id ''; of all, with both ''. Counts are of
-- `samples` samples of the fleet. The sums of cpu, memory and disk are over the machines that were
-- online at each sample. Least and greatest are of the samples' means; 65535 and 0: there is none.
CREATE TABLE IF NOT EXISTS fleet_usage (
    tenant_id    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id      VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    step         SMALLINT UNSIGNED NOT NULL,
    slot         SMALLINT UNSIGNED NOT NULL,
    slot_at      INT UNSIGNED NOT NULL,
    samples      INT UNSIGNED NOT NULL,
    online_sum   BIGINT UNSIGNED NOT NULL,
    online_min   INT UNSIGNED NOT NULL,
    online_max   INT UNSIGNED NOT NULL,
    offline_sum  BIGINT UNSIGNED NOT NULL,
    offline_min  INT UNSIGNED NOT NULL,
    offline_max  INT UNSIGNED NOT NULL,
    sessions_sum BIGINT UNSIGNED NOT NULL,
    sessions_min INT UNSIGNED NOT NULL,
    sessions_max INT UNSIGNED NOT NULL,
    cpu_sum      BIGINT UNSIGNED NOT NULL,
    cpu_min      SMALLINT UNSIGNED NOT NULL,
    cpu_max      SMALLINT UNSIGNED NOT NULL,
    memory_sum   BIGINT UNSIGNED NOT NULL,
    memory_min   SMALLINT UNSIGNED NOT NULL,
    memory_max   SMALLINT UNSIGNED NOT NULL,
    disk_sum     BIGINT UNSIGNED NOT NULL,
    disk_min     SMALLINT UNSIGNED NOT NULL,
    disk_max     SMALLINT UNSIGNED NOT NULL,
    PRIMARY KEY (tenant_id, user_id, step, slot)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- One row: the newest slot for which a worker has sampled the fleets.
CREATE TABLE IF NOT EXISTS fleet_looks (
    id      TINYINT UNSIGNED NOT NULL PRIMARY KEY,
    slot_at INT UNSIGNED NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

INSERT IGNORE INTO fleet_looks (id, slot_at) VALUES (1, 0);

INSERT IGNORE INTO schema_migrations (version, applied_at) VALUES (7, UTC_TIMESTAMP());
