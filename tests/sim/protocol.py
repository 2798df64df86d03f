# SPDX-License-Identifier: MIT
"""An agent's side of docs/agent-protocol.md, on nothing but Python's standard library."""
import asyncio
import base64
import hmac
import json
import random
import sys
import time
from datetime import datetime, timezone
from urllib.parse import urlsplit

YEAR = 365 * 86400
LONGEST_WAIT, USUAL_WAIT = 55, 30  # s; the protocol's, and vsay-agent's
FINAL = (400, 403, 404, 413)  # to repeat them would be in vain


def sign(key, claims):
    """A JSON Web Token under an HMAC with SHA-256."""
    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")
    signed = b".".join(encode(json.dumps(part).encode())
                       for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return (signed + b"." + encode(hmac.digest(key, signed, "sha256"))).decode()


def agent_token(key, agent_id, generation=1, ttl=YEAR):
    return sign(key, {"role": "agent", "agent_id": agent_id, "generation": generation,
                      "exp": int(time.time()) + ttl})


def timestamp(seconds_ago=0):
    now = datetime.fromtimestamp(time.time() - seconds_ago, timezone.utc)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_head(data):
    """The status and the headers of a reply."""
    status, *lines = data.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip()
               for name, _, value in (line.partition(":") for line in lines)}
    return int(status.split()[1]), headers


class Refused(Exception):
    """A final answer other than 2xx."""


class Connection:
    """HTTP/1.1 with one bearer token, on one connection that is kept; one request at a time."""

    def __init__(self, url, token):
        parts = urlsplit(url)
        self.address = parts.hostname, parts.port or 80
        self.prefix, self.token, self.stream = parts.path.rstrip("/"), token, None

    async def request(self, method, path, body=None, timeout=30):
        """The status and the JSON of the reply."""
        data = self._head(method, path, body)
        kept = self.stream is not None
        try:
            return await self._exchange(data, timeout)
        except (EOFError, ConnectionError):
            self.close()
            if not kept:
                raise
        return await self.request(method, path, body, timeout)  # the server had closed it, idle

    def close(self):
        if self.stream:
            self.stream[1].close()
        self.stream = None

    def _head(self, method, path, body):
        data = b"" if body is None else json.dumps(body).encode()
        return (f"{method} {self.prefix}{path} HTTP/1.1\r\nHost: {self.address[0]}\r\n"
                f"Authorization: Bearer {self.token}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(data)}\r\n\r\n").encode() + data

    async def _exchange(self, data, timeout):
        if not self.stream:
            self.stream = await asyncio.open_connection(*self.address)
        reader, writer = self.stream
        alarm = asyncio.get_running_loop().call_later(timeout, writer.transport.abort)
        try:
            writer.write(data)
            status, headers = parse_head(await reader.readuntil(b"\r\n\r\n"))
            body = await reader.readexactly(int(headers["content-length"]))
        finally:
            alarm.cancel()
        if headers.get("connection") == "close":
            self.close()
        return status, json.loads(body)


class Agent:
    """What an agent says. Each request is repeated until its answer is final; all but the long
    poll take turns on one connection, so that they never overtake each other."""

    def __init__(self, url, agent_id, token):
        self.id, self.seq = agent_id, 0
        self.sender, self.poller = Connection(url, token), Connection(url, token)
        self.turn = asyncio.Lock()

    async def heartbeat(self, usage, held):
        return await self._post("/api/agent/heartbeat",
                                {**usage, "sessions": list(held), "seq": self._next_seq()})

    async def open(self, session):
        return await self._post("/api/agent/sessions", {**session, "seq": self._next_seq()})

    async def activity(self, entries):
        return await self._post("/api/agent/activity", {"activities": entries})

    async def end(self, session_id, reason):
        return await self._post(f"/api/agent/sessions/{session_id}/end",
                                {"reason": reason, "ended_at": timestamp()})

    async def signals(self, wait=USUAL_WAIT):
        reply = await self._deliver(self.poller, "GET", f"/api/agent/signals?wait={wait}",
                                    timeout=wait + 15)
        return reply["signals"]

    def _next_seq(self):
        self.seq = max(self.seq + 1, int(time.time() * 1000))
        return self.seq

    async def _post(self, path, body):
        async with self.turn:
            return await self._deliver(self.sender, "POST", path, body)

    async def _deliver(self, connection, method, path, body=None, timeout=30):
        pause = 1
        while True:
            try:
                status, reply = await connection.request(method, path, body, timeout)
            except (EOFError, OSError) as error:
                status, reply = None, error
            if status in (200, 201):
                return reply
            if status in FINAL:
                raise Refused(f"{self.id}: {method} {path}: {status} {reply}")
            print(f"{self.id}: {method} {path}: {status} {reply!r}; trying again",
                  file=sys.stderr, flush=True)
            await asyncio.sleep(random.uniform(0, pause))
            pause = 60 if status == 401 else min(2 * pause, 60)
