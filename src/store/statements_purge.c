/* SPDX-License-Identifier: MIT */
/* The SQL of purging old rows, and of the database as a whole: its schema, clock and binary log. */
#include "config.h"
#include "store/statements.h"

#include "store/statements_rules.h"

/* clang-format off */

/* No heartbeat since :before_at. The sessions of a machine that is gone cannot end any other
 * way. */
#define LOST "COALESCE(m.last_heartbeat_at, m.created_at, s.started_at) < :before_at "

/* Purging walks an index from its old end, one page after the other, and never goes back: index
 * entries of deleted rows stay there for a while, and each page would read them again. A page
 * is locked first, as another purge may be running. */
#define OLD_COMMANDS "commands c FORCE INDEX (by_time) "
#define OLD_AUDIT "audit u FORCE INDEX (by_time) "
#define OLD_SESSIONS "sessions s FORCE INDEX (by_start) "
#define AFTER(time, id) time " >= :after_at AND (" time " > :after_at OR " id " > :after_id) "
#define UPTO(time, id) time " <= :upto_at AND (" time " < :upto_at OR " id " <= :upto_id) "
#define PAGE(rows, time, id)                                                                       \
    "SELECT " MICROSECONDS(time) ", " id ", " SECONDS(time) " FROM " rows AFTER(time, id)          \
    "AND " time " < :before_at ORDER BY " time ", " id " LIMIT :limit FOR UPDATE"
#define ENDED_ON_PAGE                                                                              \
    "WHERE s.state = 'closed' AND " AFTER("s.started_at", "s.id")                                  \
    "AND " UPTO("s.started_at", "s.id") "AND s.ended_at < :before_at"

const char *const statements_purge[STATEMENT_COUNT] = {
    [STATEMENT_SCHEMA_VERSION] = "SELECT COALESCE(MAX(version), 0) FROM schema_migrations",
    [STATEMENT_CLOCK] = "SELECT TIMESTAMPDIFF(SECOND, '1970-01-01', UTC_TIMESTAMP())",
    [STATEMENT_BINLOG] =
        "SHOW GLOBAL VARIABLES WHERE (Variable_name = 'log_bin' AND Value = 'ON') "
        "OR (Variable_name = 'binlog_format' AND Value = 'STATEMENT')",

    [STATEMENT_PURGE_BEFORE] =
        "SELECT " MICROSECONDS("d.before_at") ", " SECONDS("d.before_at") " FROM "
        "(SELECT UTC_TIMESTAMP(3) - INTERVAL :older_than SECOND AS before_at) d",
    [STATEMENT_LOST_SESSIONS] =
        "SELECT s.session_id FROM sessions s LEFT JOIN machines m ON " MACHINE_OF("s") " "
        "WHERE " OPEN " AND s.started_at < :before_at AND " LOST "LIMIT :limit",
    [STATEMENT_CLOSE_LOST] =
        "UPDATE sessions s LEFT JOIN machines m ON " MACHINE_OF("s") " "
        "LEFT JOIN signals g ON g.session_id = s.session_id "
        "SET s.state = 'closed', s.ended_at = UTC_TIMESTAMP(3), s.close_reason = 'lost', "
        "g.outcome = COALESCE(g.outcome, 'expired'), g.due_at = NULL "
        "WHERE s.session_id = :session AND " OPEN " AND " LOST,
    [STATEMENT_PURGE_COMMANDS_PAGE] =
        PAGE(OLD_COMMANDS "WHERE ", "c.executed_at", "c.id"),
    [STATEMENT_PURGE_COMMANDS] =
        "DELETE c FROM " OLD_COMMANDS "WHERE " AFTER("c.executed_at", "c.id")
        "AND " UPTO("c.executed_at", "c.id"),
    [STATEMENT_PURGE_SESSIONS_PAGE] =
        PAGE(OLD_SESSIONS "WHERE s.state = 'closed' AND ", "s.started_at", "s.id"),
    [STATEMENT_PURGE_RECEIPTS] =
        "DELETE g FROM " OLD_SESSIONS "STRAIGHT_JOIN signals g ON g.session_id = s.session_id "
        ENDED_ON_PAGE,
    [STATEMENT_PURGE_SESSIONS] = /* one that ended after its page was locked may have a receipt */
        "DELETE s FROM " OLD_SESSIONS "LEFT JOIN signals g ON g.session_id = s.session_id "
        ENDED_ON_PAGE " AND g.id IS NULL",
    [STATEMENT_PURGE_AUDIT_PAGE] = PAGE(OLD_AUDIT "WHERE ", "u.happened_at", "u.id"),
    [STATEMENT_PURGE_AUDIT] =
        "DELETE u FROM " OLD_AUDIT "WHERE " AFTER("u.happened_at", "u.id")
        "AND " UPTO("u.happened_at", "u.id"),
};
