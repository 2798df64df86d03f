/* SPDX-License-Identifier: MIT */
/* The SQL of lists of machines and of usage over time, for the table in statements.c, which has the
 * rules that it names; HOLDS_Q is in statements_history.h. */
#ifndef STORE_STATEMENTS_MACHINES_H
#define STORE_STATEMENTS_MACHINES_H

/* clang-format off */

/* --- the machines that a caller sees --------------------------------------------------------- */

#define SEEN_MACHINE                                                                               \
    "SELECT m.agent_id, m.name, IF(" ONLINE ", 'online', 'offline'), " IF_HEARD("m.cpu") ", "      \
    IF_HEARD("m.memory") ", " IF_HEARD("m.disk") ", " RFC3339("m.last_heartbeat_at") ", "          \
    "IF(" ONLINE ", (SELECT COUNT(*) FROM sessions s "                                             \
    "WHERE s.state = 'active' AND " MACHINE_OF("s") "), 0), m.dropped_commands "
#define IF_HEARD(column) "IF(m.last_heartbeat_at IS NULL, NULL, " column ")"
/* Pages are read in the order of an index, which is named, as are its columns: the optimizer would
 * rather sort a small table. */
#define MACHINES_ALL_BY_ID "FROM machines m FORCE INDEX (PRIMARY) WHERE TRUE "
#define MACHINES_TENANT_BY_ID                                                                      \
    "FROM machines m FORCE INDEX (by_tenant_agent) WHERE m.tenant_id = :tenant "
#define ACCESS_BY_ID "FROM machine_access a FORCE INDEX (PRIMARY) "
#define OF_USER "a.tenant_id = :tenant AND a.user_id = :user "
#define MACHINES_USER_BY_ID                                                                        \
    ACCESS_BY_ID "STRAIGHT_JOIN machines m ON m.agent_id = a.agent_id "                            \
    "AND m.tenant_id = a.tenant_id WHERE " OF_USER
#define INVENTORY(machines, id)                                                                    \
    SEEN_MACHINE machines "AND " id " > :agent "                                                   \
    "AND (:upto_agent IS NULL OR " id " <= :upto_agent) "                                          \
    "AND (:status IS NULL OR IF(" ONLINE ", 'online', 'offline') = :status) "                      \
    "AND (:q IS NULL OR " HOLDS_Q("m.name") " OR " HOLDS_Q("m.agent_id") ") "                      \
    "ORDER BY " id " LIMIT :limit"
#define INVENTORY_END(machines, id)                                                                \
    "SELECT " id " " machines "AND " id " > :agent ORDER BY " id " LIMIT :skip, 1"

/* --- usage over time ------------------------------------------------------------------------- */

/* A slot that is written again takes up what is added to it, unless it is of an earlier round of its
 * ring. slot_at is set last, since what is set is seen by what is set after it. */
#define SAME_SLOT "slot_at = VALUES(slot_at)"
#define FIGURE_NAMES(name) name "_sum, " name "_min, " name "_max"
#define MERGED(name)                                                                               \
    name "_sum = IF(" SAME_SLOT ", " name "_sum, 0) + VALUES(" name "_sum), "                      \
    name "_min = IF(" SAME_SLOT ", LEAST(" name "_min, VALUES(" name "_min)), "                    \
    "VALUES(" name "_min)), "                                                                      \
    name "_max = IF(" SAME_SLOT ", GREATEST(" name "_max, VALUES(" name "_max)), "                 \
    "VALUES(" name "_max)), "
#define MERGED_SLOT                                                                                \
    "samples = IF(" SAME_SLOT ", samples, 0) + VALUES(samples), slot_at = VALUES(slot_at)"

/* Slots as steps; the sums of steps are exact. */
#define STEP "u.slot_at - u.slot_at % :width AS began, SUM(u.samples)"
#define STEP_OF(name) "SUM(u." name "_sum), MIN(u." name "_min), MAX(u." name "_max)"
#define MACHINE_AGE(machines)                                                                      \
    "SELECT " SECONDS("m.created_at") ", " SECONDS("UTC_TIMESTAMP()") " " machines                 \
    "AND m.agent_id = :agent"
#define IN_SPAN "u.step = :step AND u.slot_at >= :since AND u.slot_at <= :now GROUP BY began"

/* One look at the fleets of some owners: their machines, and the sessions that they see. Both kinds
 * of slots take it. */
#define LOOK_AT(tenant, user, machines, sessions)                                                  \
    "INSERT INTO fleet_usage (tenant_id, user_id, step, slot, slot_at, samples, "                  \
    FIGURE_NAMES("online") ", " FIGURE_NAMES("offline") ", " FIGURE_NAMES("sessions") ", "         \
    FIGURE_NAMES("cpu") ", " FIGURE_NAMES("memory") ", " FIGURE_NAMES("disk") ") "                 \
    "SELECT " tenant ", " user ", r.length, r.place, r.began, 1, f.online, f.online, f.online, "   \
    "f.machines - f.online, f.machines - f.online, f.machines - f.online, "                        \
    "COALESCE(a.active, 0), COALESCE(a.active, 0), COALESCE(a.active, 0), "                        \
    LOOK_FIGURE("f.cpu") ", " LOOK_FIGURE("f.memory") ", " LOOK_FIGURE("f.disk") " "               \
    "FROM (" machines ") f LEFT JOIN (" sessions ") a ON a.owner = f.owner "                       \
    "JOIN (SELECT 300 AS length, :slot AS place, :slot_at AS began UNION ALL "                     \
    "SELECT 3600, :long_slot, :long_slot_at) r WHERE TRUE ON DUPLICATE KEY UPDATE "                \
    MERGED("online") MERGED("offline") MERGED("sessions") MERGED("cpu") MERGED("memory")           \
    MERGED("disk") MERGED_SLOT
/* The sum, and twice the mean: none of none. */
#define LOOK_FIGURE(sum)                                                                           \
    sum ", IF(f.online, ROUND(" sum " / f.online), 65535), "                                       \
    "IF(f.online, ROUND(" sum " / f.online), 0)"
#define FLEET(owner, machines)                                                                     \
    "SELECT " owner " AS owner, COUNT(*) AS machines, COALESCE(SUM(" ONLINE "), 0) AS online, "    \
    "COALESCE(SUM(IF(" ONLINE ", m.cpu, 0)), 0) AS cpu, "                                          \
    "COALESCE(SUM(IF(" ONLINE ", m.memory, 0)), 0) AS memory, "                                    \
    "COALESCE(SUM(IF(" ONLINE ", m.disk, 0)), 0) AS disk " machines
#define SEEN_SESSIONS(columns, sessions)                                                           \
    "SELECT " columns " FROM " sessions " JOIN machines m ON " MACHINE_OF("s") " "                 \
    "WHERE s.state = 'active' AND " ONLINE " "

/* clang-format on */

#endif
