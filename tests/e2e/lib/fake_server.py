# SPDX-License-Identifier: MIT
"""The server's side of docs/agent-protocol.md, as far as an agent can tell; it notes all it is told."""
import contextlib
import http.server
import json
import re
import socket
import ssl
import threading
import time
from urllib.parse import parse_qs, urlsplit

import openapi
from stack import run, wait_for


class FakeServer:
    """`status`, when set, is the answer to everything; `page`, when set, its body. `refused` has the
    status of what is refused by the pattern of its path, as has a body with `blocked` in it; with
    `blocked_page`, by a proxy's page. `lost` are sessions that it does not know until
    they are opened again, `reasons` why those of `terminate` must end (a server of version 0.1.0
    sends none). The answer to the path `twice` is sent twice: soon, or when `late` before that to
    the next request."""

    def __init__(self, token="good", interval=1, tls=None):
        self.token, self.interval, self.tls = token, interval, tls
        self.status = self.page = None
        self.refused, self.blocked, self.blocked_page = {}, None, False
        self.body_max = 4 << 20
        self.lost, self.reasons, self.twice, self.late = set(), {}, None, False
        self.lock = threading.Condition()
        self.requests, self.signals, self.terminate, self.parked = [], [], set(), 0
        self.polls = []  # how long each was to wait
        self.refusals = {}  # when it said `status`, for each path
        self.server, self.port = None, 0
        self.start()

    def start(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.server.fake, self.server.sockets, self.server.stopping = self, set(), False
        if self.tls:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}).start()

    def stop(self):
        """As a crash: open connections are cut."""
        with self.lock:
            self.server.stopping = True
            self.lock.notify_all()
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.server.sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://localhost:{self.port}"

    # --- what it was told ---

    def told(self, pattern):
        """Bodies of the requests taken whose path matches, in order."""
        with self.lock:
            return [body for path, body in self.requests if re.fullmatch(pattern, path)]

    def heartbeats(self):
        return self.told("/api/agent/heartbeat")

    def commands(self):
        return [(entry["session_id"], entry["seq"], entry["command"], entry["success"])
                for body in self.told("/api/agent/activity") for entry in body["activities"]]

    def ends(self, session):
        return self.told(f"/api/agent/sessions/{session}/end")

    def wait_for_end(self, session, seconds=15):
        return wait_for(lambda: self.ends(session), seconds, "the end of " + session)[0]

    def wait_for_heartbeat(self, more=1):
        """The newest heartbeat, when there are `more` than now."""
        count = len(self.heartbeats()) + more
        return wait_for(lambda: len(self.heartbeats()) >= count and self.heartbeats()[-1])

    def order(self):
        """What was told about sessions, without repetitions."""
        with self.lock:
            events = []
            for path, body in self.requests:
                event = {"/api/agent/sessions": "open", "/api/agent/activity": "commands"}.get(
                    path, "end" if path.endswith("/end") else None)
                if event and events[-1:] != [event]:
                    events.append(event)
            return events

    # --- what it says ---

    def signal(self, session, reason):
        """Ends it: the signal may be lost, the next heartbeat names it too."""
        with self.lock:
            self.terminate.add(session)
            self.reasons[session] = reason
            self.signals.append({"id": len(self.requests) + 1, "type": "terminate",
                                 "session_id": session, "reason": reason})
            self.lock.notify_all()

    def answer(self, path, query, body):
        if path == "/api/agent/signals":
            return 200, {"signals": self.poll(float(query.get("wait", ["0"])[0]))}
        if path.endswith("/end") and path.split("/")[-2] in self.lost:
            return 404, {"error": "Session not found"}
        self.requests.append((path, body))
        if path == "/api/agent/heartbeat":
            return 200, self.answer_heartbeat(set(body["sessions"]))
        if path == "/api/agent/sessions":
            self.lost.discard(body["session_id"])
            return 201, {"session_id": body["session_id"], "status":
                         "closing" if body["session_id"] in self.terminate else "active"}
        if path == "/api/agent/activity":
            errors = [{"index": index, "error": "No such session"}
                      for index, entry in enumerate(body["activities"])
                      if entry["session_id"] in self.lost]
            return 200, {"accepted": len(body["activities"]) - len(errors), "errors": errors}
        return 200, {"message": "Session ended"}

    def answer_heartbeat(self, held):
        told = {"terminate": sorted(self.terminate & held)}
        if self.reasons:
            told["terminations"] = [{"session_id": session, "reason": reason}
                                    for session, reason in self.reasons.items()]
        if self.lost & held:
            told["unknown"] = sorted(self.lost & held)
        return {**told, "interval": self.interval}

    def poll(self, seconds):
        server = self.server
        self.polls.append(seconds)
        self.parked += 1
        self.lock.wait_for(lambda: self.signals or server.stopping, seconds)
        self.parked -= 1
        signals, self.signals = self.signals, []
        return signals


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    again = None  # what goes before the next answer

    def setup(self):
        super().setup()
        self.server.sockets.add(self.connection)

    def finish(self):
        self.server.sockets.discard(self.connection)
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def do_GET(self):
        self.reply(None)

    def do_POST(self):
        self.reply(self.rfile.read(int(self.headers["Content-Length"])))

    def reply(self, data):
        fake, url = self.server.fake, urlsplit(self.path)
        with fake.lock:
            if self.server.stopping:
                self.close_connection = True
                return
            if self.headers["Authorization"] != f"Bearer {fake.token}":
                status, answer = 401, {"error": "Invalid or expired token"}
            elif fake.status:
                status, answer = fake.status, {"error": "as told"}
                fake.refusals.setdefault(url.path, []).append(time.monotonic())
            elif refused := [status for pattern, status in fake.refused.items()
                             if re.fullmatch(pattern, url.path)]:
                status, answer = refused[0], {"error": "as told"}
            elif len(data or b"") > fake.body_max:
                status, answer = 413, {"error": "Request body too large"}
            elif fake.blocked and fake.blocked in (data or b""):
                status, answer = 403, "blocked" if fake.blocked_page else {"error": "blocked"}
            else:
                status, answer = fake.answer(url.path, parse_qs(url.query),
                                             json.loads(data) if data else None)
                if data:
                    openapi.note_report(url.path, data)
        body = (fake.page or json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        again, self.again = self.again, None
        if again:
            self.wfile.write(again)
        sent = b"".join(self._headers_buffer) + b"\r\n" + body
        self._headers_buffer = []
        self.wfile.write(sent)
        if url.path == fake.twice and fake.late:
            self.again = sent
        elif url.path == fake.twice:
            time.sleep(0.05)
            self.wfile.write(sent)

    def handle(self):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            super().handle()

    def log_message(self, *args):
        pass


def tls_for(directory):
    """A server's TLS with a certificate of its own, and the file with that certificate."""
    key, certificate = directory / "server.key", directory / "server.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext",
        "subjectAltName=DNS:localhost", check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate
