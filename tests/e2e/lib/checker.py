# SPDX-License-Identifier: MIT
"""What must be true at every moment, looked at for as long as a `with` block lasts."""
import http.client
import threading

import MySQLdb

from model import Model

ORDER = ["active", "closing", "closed"]  # a session only ever goes on
PAUSE = 0.02  # s between two looks
ROWS = ("SELECT s.session_id, s.state, s.ended_at, s.close_reason, g.id AS signal_id, g.outcome "
        "FROM sessions s LEFT JOIN signals g ON g.session_id = s.session_id")
FINAL = "ended_at", "close_reason", "signal_id", "outcome"  # once set, set for ever


def faults_of(row):
    """What is wrong with a session, whatever it was before."""
    state, signalled, outcome = row["state"], row["signal_id"] is not None, row["outcome"]
    if state == "active" and signalled:
        yield "an active session with a signal"
    if state == "closing" and not signalled:
        yield "a closing session without a signal"
    if state != "closed" and outcome:
        yield "an outcome before the end"
    if state == "closed" and signalled and not outcome:
        yield "an end without an outcome"
    if (state == "closed") != (row["ended_at"] is not None):
        yield "an end without its time, or a time without the end"


def changes_of(before, row):
    """What may not change."""
    if ORDER.index(row["state"]) < ORDER.index(before["state"]):
        yield f"{before['state']} became {row['state']}"
    for name in FINAL:
        if before[name] not in (None, row[name]):
            yield f"{name} changed from {before[name]} to {row[name]}"


class Checker:
    """Looks at all sessions and signals of a stack; and, through the API, whether the dashboard and
    the lists of `viewers` are as the model says. A database or a worker that is away is no fault."""

    def __init__(self, stack, *viewers):
        self.stack, self.viewers = stack, viewers
        self.seen, self.wrong = {}, []
        self.looks = self.compared = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stop.set()
        self.thread.join()
        if kind is None:
            assert not self.wrong, list(dict.fromkeys(self.wrong))[:20]
            assert self.looks, "nothing was looked at"

    def _run(self):
        while True:
            last = self.stop.is_set()  # one more look after the end
            try:
                self._look(self.stack.database.query(ROWS))
                for viewer in self.viewers:
                    self._compare(viewer)
            except (MySQLdb.Error, OSError, http.client.HTTPException):
                pass
            except Exception as error:
                self.wrong.append(repr(error))
            if last:
                return
            self.stop.wait(PAUSE)

    def _look(self, rows):
        now = {row["session_id"]: row for row in rows}
        if len(now) < len(rows):
            self.wrong.append("a session with two signals")
        self.wrong += [f"{session} is gone" for session in self.seen.keys() - now.keys()]
        for session, row in now.items():
            self.wrong += [f"{session}: {fault}" for fault in (
                *faults_of(row), *changes_of(self.seen.get(session, row), row))]
        self.seen = now
        self.looks += 1

    def _compare(self, viewer):
        """Between two equal looks at rows that never return to what they were, nothing changed."""
        before = Model(self.stack.database, viewer)
        replies = {path: self.stack.get(path, viewer) for path in (
            "/api/dashboard/stats", "/api/terminal/sessions")}
        after = Model(self.stack.database, viewer)
        if fingerprint(before) != fingerprint(after) or {
                reply.status for reply in replies.values()} != {200}:
            return
        stats, sessions = (reply.json() for reply in replies.values())
        if (stats, sessions) != (after.stats(), after.sessions()):
            self.wrong.append(f"{viewer.user_id} is shown {stats} and {sessions}, but there are "
                              f"{after.stats()} and {after.sessions()}")
        self.compared += 1


def fingerprint(model):
    return ({row["session_id"]: row["state"] for row in model.visible_sessions},
            {row["agent_id"]: (row["last_heartbeat_at"], row["agent_id"] in model.online)
             for row in model.visible_machines})
