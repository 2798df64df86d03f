# SPDX-License-Identifier: MIT
"""A small FastCGI client, which can also break the protocol."""
import contextlib
import random
import socket
import struct

from reply import from_cgi

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA = 1, 2, 3, 4, 5, 6, 7, 8
GET_VALUES, VALUES, UNKNOWN_TYPE = 9, 10, 11
RESPONDER, AUTHORIZER, FILTER = 1, 2, 3
COMPLETE, CANT_MULTIPLEX, OVERLOADED, UNKNOWN_ROLE = 0, 1, 2, 3  # how a request ended


def record(kind, content=b"", id=1, padding=0):
    return struct.pack("!BBHHBx", 1, kind, id, len(content), padding) + content + bytes(padding)


def stream(kind, data, id=1):
    chunks = [data[i:i + 65535] for i in range(0, len(data), 65535)]
    return b"".join(record(kind, chunk, id) for chunk in chunks) + record(kind, id=id)


def _length(n):
    return struct.pack("!B", n) if n < 128 else struct.pack("!I", n | 1 << 31)


def pairs(env):
    out = b""
    for name, value in env.items():
        name, value = name.encode(), value if isinstance(value, bytes) else str(value).encode()
        out += _length(len(name)) + _length(len(value)) + name + value
    return out


def unpair(data):
    """The names and values in the content of a record."""
    found, at = {}, 0
    while at < len(data):
        lengths = []
        for _ in range(2):
            long = data[at] >> 7
            lengths.append(struct.unpack_from("!I", data, at)[0] & 0x7fffffff if long else data[at])
            at += 4 if long else 1
        name, value = data[at:at + lengths[0]], data[at + lengths[0]:at + sum(lengths)]
        assert len(name) + len(value) == sum(lengths)
        found[name.decode()] = value.decode()
        at += sum(lengths)
    return found


def begin(keep=False, id=1, role=RESPONDER):
    return record(BEGIN, struct.pack("!HB5x", role, keep), id)


def encode(env, body=b"", keep=False, id=1):
    return begin(keep, id) + stream(PARAMS, pairs(env), id) + stream(STDIN, body, id)


def environment(method="GET", path="/health", by=None, **more):
    """The CGI variables of a request; `by` is anything with a token."""
    path, _, query = path.partition("?")
    token = {"HTTP_AUTHORIZATION": f"Bearer {by.token}"} if by else {}
    return {"REQUEST_METHOD": method, "SCRIPT_NAME": path, "QUERY_STRING": query,
            "CONTENT_LENGTH": "", "SERVER_PROTOCOL": "HTTP/1.1", **token, **more}


def encode_oddly(env, body=b"", keep=False, id=1):
    """The same in many small records, with padding."""
    dice = random.Random(len(body))

    def records(kind, data):
        while data:
            size = dice.randint(1, 40)
            yield record(kind, data[:size], id, dice.choice((0, 1, 7, 255)))
            data = data[size:]
        yield record(kind, b"", id, dice.choice((0, 8)))
    return begin(keep, id) + b"".join((*records(PARAMS, pairs(env)), *records(STDIN, body)))


def connect(path, timeout=60):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))  # waits while the queue is full, which it would not with a timeout
    connection.settimeout(timeout)
    return connection


def asked(env, body):
    """What a reply is checked against."""
    script, info, query = (value if isinstance(value, str) else value.decode(errors="replace")
                           for value in (env.get(name, "") for name in (
                               "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING")))
    return env.get("REQUEST_METHOD"), f"{script}{info}?{query}", body


def read_reply(connection, *request):
    """The reply on a connection; None when the worker closed it without one."""
    output, source = b"", connection.makefile("rb")
    while len(header := source.read(8)) == 8:
        _, kind, _, length, padding = struct.unpack("!BBHHBx", header)
        content = source.read(length + padding)[:length]
        if kind == STDOUT:
            output += content
        if kind == END:
            break
    return from_cgi(output, *request) if output else None


def request(path, env, body=b""):
    with connect(path) as connection:
        connection.sendall(encode(env, body))
        return read_reply(connection, *asked(env, body))


class Connection:
    """One that is kept for many requests, as a web server keeps it."""

    def __init__(self, path, timeout=60):
        self.socket = connect(path, timeout)
        self.source = self.socket.makefile("rb")

    def close(self):
        self.source.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, env, body=b"", keep=True, id=1):
        """A request, and its reply."""
        self.send(encode(env, body, keep, id))
        return self.reply(id, *asked(env, body))

    def record(self):
        """The next one: (kind, id, content); None when the worker has closed the connection."""
        header = self.source.read(8)
        if not header:
            return None
        version, kind, id, length, padding = struct.unpack("!BBHHBx", header)
        content = self.source.read(length + padding)
        assert version == 1 and len(content) == length + padding, "a record that breaks off"
        return kind, id, content[:length]

    def outcome(self, id=1):
        """How the request ended, and what came before: (END_REQUEST's status, output)."""
        output = b""
        while found := self.record():
            kind, of, content = found
            assert of == id, f"a record {kind} of {of}"
            if kind == END:
                return content[4], output
            assert kind == STDOUT
            output += content
        raise ConnectionResetError("closed without END_REQUEST")

    def reply(self, id=1, *request):
        status, output = self.outcome(id)
        assert status == COMPLETE
        return from_cgi(output, *request)

    def values(self, *names):
        """What FCGI_GET_VALUES tells of them."""
        self.send(record(GET_VALUES, pairs(dict.fromkeys(names, "")), 0))
        kind, id, content = self.record()
        assert (kind, id) == (VALUES, 0)
        return unpair(content)

    def closed(self):
        """Whether the worker closes it, with nothing more to say."""
        with contextlib.suppress(ConnectionResetError):
            assert self.source.read(1) == b""
        return True
