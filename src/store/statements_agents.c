/* SPDX-License-Identifier: MIT */
/* The SQL of what agents report, and of the signals that they are sent. */
#include "config.h"
#include "store/statements.h"

#include "store/statements_rules.h"

/* clang-format off */

/* A machine reports past times by its own clock. They count as no later than now, and as now when
 * they are from before 2020: the clock had not been set yet. */
#define CLOCK_UNSET "TIMESTAMP'2020-01-01 00:00:00'"
#define REPORTED(time)                                                                             \
    "LEAST(COALESCE(NULLIF(GREATEST(" time ", " CLOCK_UNSET "), " CLOCK_UNSET "), "                \
    "UTC_TIMESTAMP(3)), UTC_TIMESTAMP(3))"
#define REPORTED_AT REPORTED("CAST(:at AS DATETIME(3))")

/* A machine's agent, with the instance that may report: the one of the last heartbeat while the
 * machine is online, '' for any. Then the last instance, and whether it is new: a new one has lost
 * its state and knows all its sessions only once every vsay-shell has reconnected. */
#define AGENT                                                                                      \
    "SELECT m.agent_id, m.token_generation, m.tenant_id, IF(" ONLINE ", m.instance, ''), "         \
    "m.instance, COALESCE(m.instance_since > UTC_TIMESTAMP(3) - INTERVAL 1 MINUTE, FALSE), "       \
    "m.usage_now, " SECONDS("UTC_TIMESTAMP()") " FROM machines m WHERE m.agent_id "

/* An opening may overtake a heartbeat, but not by more than this. */
#define YOUNG "COALESCE(opened_at > UTC_TIMESTAMP(3) - INTERVAL 10 MINUTE, TRUE)"

/* A number from the far future would stay the newest for ever, so it counts as tomorrow. */
#define REPORT_SEQ                                                                                 \
    "LEAST(:seq, 1000 * (86400 + " SECONDS("UTC_TIMESTAMP()") "))"

/* The text that the terminated session shows. */
#define WHO_ENDS                                                                                   \
    "CONCAT('ended by ', requested_by_username, IF(reason = '', '', CONCAT(': ', reason)))"

/* Keeps a column when the heartbeat is older than the last one stored. 0 means no number; such a
 * heartbeat counts as the newest. */
#define NEWER(column)                                                                              \
    column " = IF(VALUES(report_seq) = 0 OR VALUES(report_seq) >= report_seq, "                    \
    "VALUES(" column "), " column ")"

const char *const statements_agents[STATEMENT_COUNT] = {
    [STATEMENT_AGENTS] = AGENT "IN ({:agent})",
    [STATEMENT_LOCK_AGENTS] = AGENT "IN ({:agent}) ORDER BY m.agent_id FOR UPDATE",
    [STATEMENT_AGENT] = AGENT "= :agent LOCK IN SHARE MODE",
    [STATEMENT_REFUSE_INSTANCE] =
        "UPDATE machines SET refused_at = UTC_TIMESTAMP(3), refused_instance = :instance "
        "WHERE agent_id = :agent",

    /* Upserts of rows that exist and are locked: the fastest way to update many rows at once. A
     * worker needs the right to change every column named here: see db/grants.sql. */
    [STATEMENT_HEARTBEATS] =
        "INSERT INTO machines (agent_id, last_heartbeat_at, "
        "dropped_commands, cpu, memory, disk, usage_now, instance, report_seq) VALUES "
        "{(:agent, UTC_TIMESTAMP(3), :dropped, :cpu, :memory, :disk, :usage_now, "
        ":instance, " REPORT_SEQ ")} "
        "ON DUPLICATE KEY UPDATE last_heartbeat_at = VALUES(last_heartbeat_at), "
        "instance_since = IF(instance = VALUES(instance), instance_since, UTC_TIMESTAMP(3)), "
        "instance = VALUES(instance), "
        "dropped_commands = GREATEST(dropped_commands, VALUES(dropped_commands)), "
        NEWER("cpu") ", " NEWER("memory") ", " NEWER("disk") ", "
        "usage_now = VALUES(usage_now), report_seq = GREATEST(report_seq, VALUES(report_seq))",
    [STATEMENT_OPEN_SESSIONS] =
        "SELECT session_id, agent_id, tenant_id, state, opened_seq, " YOUNG ", "
        "last_activity_at FROM sessions "
        "WHERE state IN ('active', 'closing') AND agent_id IN ({:agent})",
    [STATEMENT_CLOSED_SESSIONS] =
        "SELECT session_id, agent_id FROM sessions "
        "WHERE state = 'closed' AND session_id IN ({:session})",
    [STATEMENT_SESSION_STATES] =
        "SELECT session_id, agent_id, state FROM sessions WHERE session_id IN ({:session})",
    [STATEMENT_REASONS] =
        "SELECT session_id, " WHO_ENDS " FROM signals WHERE session_id IN ({:session})",
    [STATEMENT_SIGNALLED] =
        "SELECT session_id, agent_id FROM signals "
        "WHERE outcome IS NULL AND session_id IN ({:session})",
    [STATEMENT_GIVE_UP_SESSIONS] =
        "UPDATE sessions SET state = 'closed', ended_at = UTC_TIMESTAMP(3), "
        "close_reason = :outcome WHERE state <> 'closed' AND session_id IN ({:session})",
    [STATEMENT_GIVE_UP_SIGNALS] =
        "UPDATE signals SET outcome = :outcome, due_at = NULL "
        "WHERE outcome IS NULL AND session_id IN ({:session})",
    [STATEMENT_COUNT_DELIVERY] =
        "UPDATE signals SET delivered_at = COALESCE(delivered_at, UTC_TIMESTAMP(3)), "
        "attempts = attempts + 1 WHERE outcome IS NULL AND session_id IN ({:session})",

    [STATEMENT_OPEN_SESSION] =
        "INSERT INTO sessions (session_id, tenant_id, agent_id, user_id, username, source, "
        "browser, os, source_address, started_at, opened_seq, opened_at) VALUES (:session, "
        ":tenant, :agent, :user, :username, :source, :browser, :os, :source_address, "
        REPORTED_AT ", :seq, UTC_TIMESTAMP(3))",
    [STATEMENT_COUNT_OPEN] =
        "SELECT COUNT(*) FROM sessions s WHERE s.agent_id = :agent AND s.tenant_id = :tenant AND "
        OPEN,
    [STATEMENT_NOT_RECORDED] = /* the first reason stays */
        "UPDATE sessions SET not_recorded_reason = :not_recorded "
        "WHERE session_id = :session AND not_recorded_reason IS NULL",
    [STATEMENT_SESSION] =
        "SELECT agent_id, tenant_id, state FROM sessions WHERE session_id = :session",
    [STATEMENT_END_SESSION] =
        "UPDATE sessions SET state = 'closed', ended_at = GREATEST(started_at, " REPORTED_AT "), "
        "close_reason = :reason, exit_code = :exit_code "
        "WHERE session_id = :session AND state <> 'closed'",
    [STATEMENT_CONFIRM_SIGNAL] =
        "UPDATE signals SET outcome = :outcome, due_at = NULL, "
        "confirmed_at = IF(:outcome = 'confirmed', UTC_TIMESTAMP(3), NULL) "
        "WHERE session_id = :session AND outcome IS NULL",

    [STATEMENT_SESSIONS] =
        "SELECT session_id, agent_id, tenant_id, user_id, username, source FROM sessions "
        "WHERE session_id IN ({:session})",
    [STATEMENT_ADD_COMMANDS] =
        "INSERT INTO commands (session_id, seq, tenant_id, agent_id, user_id, username, source, "
        "command, success, exit_code, executed_at) VALUES {(:session, :seq, :tenant, :agent, :user, "
        ":username, :source, :command, :success, :exit_code, " REPORTED_AT ")} "
        "ON DUPLICATE KEY UPDATE success = COALESCE(success, VALUES(success)), "
        "exit_code = COALESCE(exit_code, VALUES(exit_code))",
    [STATEMENT_LAST_COMMANDS] =
        "INSERT INTO machines (agent_id, last_command_at) VALUES {(:agent, " REPORTED_AT ")} "
        "ON DUPLICATE KEY UPDATE last_command_at = "
        "GREATEST(COALESCE(last_command_at, VALUES(last_command_at)), VALUES(last_command_at))",

    /* An upsert would use up ids here. The collation is named because both servers would otherwise
     * compare text in a character set other than the index's. */
    [STATEMENT_SESSIONS_ACTIVE] =
        "UPDATE ({(SELECT CONVERT(:session USING ascii) AS session_id, "
        "CAST(:at AS DATETIME(3)) AS active_at)}) d "
        "STRAIGHT_JOIN sessions s ON s.session_id = d.session_id COLLATE ascii_bin "
        "SET s.last_activity_at = GREATEST(COALESCE(s.last_activity_at, " REPORTED("d.active_at")
        "), " REPORTED("d.active_at") ")",

    [STATEMENT_DUE_SIGNALS] =
        "SELECT id, agent_id, session_id, " WHO_ENDS ", (SELECT s.tenant_id FROM sessions s "
        "WHERE s.session_id = signals.session_id) FROM signals FORCE INDEX (by_machine_due) "
        "WHERE agent_id IN ({:agent}) AND due_at <= UTC_TIMESTAMP(3) ORDER BY id FOR UPDATE",
    [STATEMENT_LEASE_SIGNALS] =
        "UPDATE signals SET delivered_at = COALESCE(delivered_at, UTC_TIMESTAMP(3)), "
        "attempts = attempts + 1, due_at = UTC_TIMESTAMP(3) + INTERVAL :lease SECOND "
        "WHERE outcome IS NULL AND id IN ({:id})",

    /* Every agent that waits now sent its poll within the last minute and was given what was due
     * then; so only signals that became due since matter. */
    [STATEMENT_DUE_AGENTS] =
        "SELECT DISTINCT agent_id FROM signals WHERE due_at <= UTC_TIMESTAMP(3) "
        "AND due_at > UTC_TIMESTAMP(3) - INTERVAL 90 SECOND",
    [STATEMENT_EXPIRED] =
        "SELECT g.session_id FROM signals g JOIN sessions s ON s.session_id = g.session_id "
        "LEFT JOIN machines m ON " MACHINE_OF("s") " "
        "WHERE g.due_at <= UTC_TIMESTAMP(3) - INTERVAL :expires SECOND "
        "AND COALESCE(m.last_heartbeat_at, g.requested_at) "
        "<= UTC_TIMESTAMP(3) - INTERVAL :expires SECOND LIMIT 500",
};
