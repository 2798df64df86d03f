-- vsay schema, version 1.
-- Runs unchanged on MariaDB 10.x and MySQL 5.6 and later, and is safe to run again.
-- Times are UTC with milliseconds, set by the database's clock.

CREATE TABLE IF NOT EXISTS schema_migrations (
    version    INT UNSIGNED NOT NULL PRIMARY KEY,
    applied_at DATETIME     NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- One row a machine. Usage is in hundredths of a percent.
CREATE TABLE IF NOT EXISTS machines (
    agent_id          VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    tenant_id         VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    name              VARCHAR(255) NOT NULL,
    cpu               SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    memory            SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    disk              SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    last_heartbeat_at DATETIME(3) NULL,
    last_command_at   DATETIME(3) NULL,
    created_at        DATETIME(3) NOT NULL,
    KEY by_heartbeat (last_heartbeat_at, cpu, memory, disk),
    KEY by_tenant (tenant_id, last_heartbeat_at, cpu, memory, disk)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Which users of a machine's tenant may see it. An owner may also close the sessions on it.
CREATE TABLE IF NOT EXISTS machine_access (
    tenant_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id   VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    agent_id  VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    relation  ENUM('owner', 'granted') NOT NULL,
    PRIMARY KEY (tenant_id, user_id, agent_id),
    KEY by_machine (agent_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- tenant_id is the machine's. The state leads every key, so that no list reads closed sessions.
CREATE TABLE IF NOT EXISTS sessions (
    id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    session_id   VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    tenant_id    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    agent_id     VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    username     VARCHAR(255) NOT NULL,
    source       ENUM('ui', 'cli', 'vscode') NOT NULL,
    state        ENUM('active', 'closing', 'closed') NOT NULL DEFAULT 'active',
    browser      VARCHAR(64) NULL,
    os           VARCHAR(64) NULL,
    started_at   DATETIME(3) NOT NULL,
    ended_at     DATETIME(3) NULL,
    close_reason VARCHAR(64) NULL,
    UNIQUE KEY by_session (session_id),
    KEY by_start (state, started_at),
    KEY by_tenant (state, tenant_id, started_at),
    KEY by_user (state, user_id, tenant_id, started_at),
    KEY by_machine (state, agent_id, started_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The queue of terminations: one row a session, ever.
CREATE TABLE IF NOT EXISTS signals (
    id                    BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    session_id            VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    agent_id              VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    requested_by          VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    requested_by_username VARCHAR(255) NOT NULL,
    requested_at          DATETIME(3) NOT NULL,
    UNIQUE KEY by_session (session_id),
    KEY by_machine (agent_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- What was run. (session_id, seq) makes a repeated report harmless.
CREATE TABLE IF NOT EXISTS commands (
    id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    session_id  VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seq         BIGINT UNSIGNED NOT NULL,
    tenant_id   VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    agent_id    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id     VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    username    VARCHAR(255) NOT NULL,
    source      ENUM('ui', 'cli', 'vscode') NOT NULL,
    command     TEXT NOT NULL,
    success     TINYINT NULL,
    executed_at DATETIME(3) NOT NULL,
    UNIQUE KEY by_session (session_id, seq),
    KEY by_time (executed_at),
    KEY by_tenant (tenant_id, executed_at),
    KEY by_user (tenant_id, user_id, executed_at),
    KEY by_machine (agent_id, tenant_id, executed_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

INSERT IGNORE INTO schema_migrations (version, applied_at) VALUES (1, UTC_TIMESTAMP());
