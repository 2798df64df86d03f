# SPDX-License-Identifier: MIT
"""A small FastCGI client, which can also break the protocol."""
import socket
import struct

from reply import from_cgi

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7


def record(kind, content=b""):
    return struct.pack("!BBHHxx", 1, kind, 1, len(content)) + content


def stream(kind, data):
    chunks = [data[i:i + 65535] for i in range(0, len(data), 65535)]
    return b"".join(record(kind, chunk) for chunk in chunks) + record(kind)


def _length(n):
    return struct.pack("!B", n) if n < 128 else struct.pack("!I", n | 1 << 31)


def pairs(env):
    out = b""
    for name, value in env.items():
        name, value = name.encode(), value if isinstance(value, bytes) else str(value).encode()
        out += _length(len(name)) + _length(len(value)) + name + value
    return out


def begin():
    return record(BEGIN, struct.pack("!HB5x", 1, 0))


def encode(env, body=b""):
    return begin() + stream(PARAMS, pairs(env)) + stream(STDIN, body)


def environment(method="GET", path="/health", by=None, **more):
    """The CGI variables of a request; `by` is anything with a token."""
    path, _, query = path.partition("?")
    token = {"HTTP_AUTHORIZATION": f"Bearer {by.token}"} if by else {}
    return {"REQUEST_METHOD": method, "SCRIPT_NAME": path, "QUERY_STRING": query,
            "CONTENT_LENGTH": "", "SERVER_PROTOCOL": "HTTP/1.1", **token, **more}


def connect(path, timeout=20):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    connection.connect(str(path))
    return connection


def read_reply(connection):
    """The reply on a connection; None when the worker closed it without one."""
    output, source = b"", connection.makefile("rb")
    while len(header := source.read(8)) == 8:
        _, kind, _, length, padding = struct.unpack("!BBHHBx", header)
        content = source.read(length + padding)[:length]
        if kind == STDOUT:
            output += content
        if kind == END:
            break
    return from_cgi(output) if output else None


def request(path, env, body=b""):
    with connect(path) as connection:
        connection.sendall(encode(env, body))
        return read_reply(connection)
