# SPDX-License-Identifier: MIT
"""Agents at work in threads of their own: each repeats what was not acknowledged, and notes what
was."""
import http.client
import itertools
import threading

from machine import Machine, entry

PIECE = 5  # commands in one report


class Reporter:
    """Opens a session after the other and reports its commands. It ends every other one itself, and
    the rest when it is told to."""

    def __init__(self, tenant, user):
        self.agent, self.user = Machine(tenant), user
        self.opened, self.ended, self.commands = [], set(), set()  # what was acknowledged
        self.failures = 0  # requests that were not
        self.wrong = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=work) for work in (self._report, self._obey)]

    def acknowledged(self):
        return len(self.opened) + len(self.ended) + len(self.commands)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _insist(self, ask, status):
        """Asks until it is acknowledged; None when the end comes first."""
        while not self.stop.is_set():
            try:
                reply = ask()
            except (OSError, http.client.HTTPException):
                reply = None
            if reply and reply.status == status:
                return reply
            if reply and reply.status != 503:
                self.wrong.append(reply)
            self.failures += 1
            self.stop.wait(0.01)
        return None

    def _report(self):
        for number in itertools.count():
            session = f"{self.agent.id}.{number}"
            self.agent.held.append(session)
            if not self._insist(lambda: self.agent.open(self.user, session_id=session), 201):
                return
            self.opened.append(session)
            for first in range(1, 4 * PIECE, PIECE):
                self._run(session, range(first, first + PIECE))
            self._insist(self.agent.heartbeat, 200)
            if number % 2:
                self._end(session, "exited")

    def _run(self, session, numbers):
        reply = self._insist(lambda: self.agent.activity(*[
            entry(session, seq, f"{session} {seq}") for seq in numbers]), 200)
        if reply and reply.json() != {"accepted": len(numbers), "errors": []}:
            self.wrong.append(reply)
        if reply:
            self.commands |= {(session, seq) for seq in numbers}

    def _end(self, session, reason):
        if self._insist(lambda: self.agent.end(session, reason), 200):
            self.ended.add(session)

    def _obey(self):
        while reply := self._insist(lambda: self.agent.poll(1), 200):
            for signal in reply.json()["signals"]:
                self._end(signal["session_id"], "terminated")
