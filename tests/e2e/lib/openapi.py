# SPDX-License-Identifier: MIT
"""Replies, and the requests that brought them, against docs/openapi.json.

Every Reply of the tests is checked as it is made (reply.py). What deviates is noted in `deviations`,
whichever thread it is in, and fails the test that runs (conftest.py)."""
import functools
import itertools
import json
import posixpath
import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import fastjsonschema

PATH = Path(__file__).resolve().parents[3] / "docs" / "openapi.json"
# Of HTTP, of connections, and of CORS, which any reply may have
COMMON = {"date", "server", "connection", "keep-alive", "content-type", "content-length", "status",
          "transfer-encoding", "content-encoding", "accept-ranges", "upgrade", "vary", "access-control-allow-origin",
          "access-control-expose-headers"}

# RFC 3339 section 5.6, with a blank between date and time, as its note allows
DATE_TIME = r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z"

deviations = []


def _orders(schema):
    """What lists the objects of a value whose members are in another order than the schema's
    properties; None where the schema has no two of them."""
    if not schema:
        return None
    names = list(schema.get("properties", ()))
    below = {name: order for name in names if (order := _orders(schema["properties"][name]))}
    items = _orders(schema.get("items", {}))
    choices = [order for choice in schema.get("oneOf", ()) if (order := _orders(choice))]
    if len(names) < 2 and not (below or items or choices):
        return None

    def found(value):
        if isinstance(value, dict):
            present = [name for name in value if name in names]
            if present != [name for name in names if name in value]:
                yield f"members in another order: {present}"
            for name, order in below.items():
                if name in value:
                    yield from order(value[name])
        elif items and isinstance(value, list):
            for item in value:
                yield from items(item)
        for choice in choices:
            yield from choice(value)
    return found


class Schema:
    """A schema, which its first use compiles. An ordered one also wants members in the order of its
    properties."""

    def __init__(self, schema, ordered=False):
        self.schema, self.ordered = schema, ordered

    @functools.cached_property
    def validate(self):
        return fastjsonschema.compile(self.schema, formats={"date-time": DATE_TIME})

    @functools.cached_property
    def orders(self):
        return self.ordered and _orders(self.schema) or (lambda value: ())

    def faults(self, value):
        try:
            self.validate(value)
        except fastjsonschema.JsonSchemaValueException as error:
            return [f"{error.message}: {error.value!r:.300}"]
        return list(self.orders(value))


def _closed(node):
    """A schema that allows no members but its own. The document leaves that open: a client must not
    mind new ones, but these tests do."""
    if isinstance(node, dict):
        node = {name: _closed(value) for name, value in node.items()}
        if isinstance(node.get("properties"), dict):
            node.setdefault("additionalProperties", False)
    elif isinstance(node, list):
        node = [_closed(item) for item in node]
    return node


def inline(document, node):
    """The node without references."""
    if isinstance(node, dict):
        while "$ref" in node:
            node = functools.reduce(lambda at, name: at[name.replace("~1", "/")],
                                    node["$ref"].removeprefix("#/").split("/"), document)
        return {name: inline(document, value) for name, value in node.items()}
    return [inline(document, item) for item in node] if isinstance(node, list) else node


def body_check(kind, content):
    """What lists the faults of a body. JSON has a schema, as each line of NDJSON, and a table in CSV
    has these columns."""
    if kind == "application/json":
        schema = Schema(_closed(content["schema"]), ordered=True)
        return lambda reply: schema.faults(reply.json())
    if kind == "application/x-ndjson":
        line = Schema(_closed(content["x-line"]), ordered=True)
        return lambda reply: [fault for each in reply.body.splitlines()
                              for fault in line.faults(json.loads(each))]
    if kind.startswith("text/csv"):
        head = ",".join(content["x-columns"]) + "\r\n"
        return lambda reply: [] if reply.body.startswith(head.encode()) else ["other columns"]
    return lambda reply: [] if reply.body.decode() else ["empty"]


class Response:
    """What the document says of one status of an operation."""

    def __init__(self, said):
        self.headers = {name.lower(): (header.get("required", False), Schema(header["schema"]))
                        for name, header in said.get("headers", {}).items()}
        self.bodies = {kind: body_check(kind, content)
                       for kind, content in said.get("content", {}).items()}

    def faults(self, reply, head):
        sent = {name.lower(): value for name, value in reply.headers.items()}
        for name in sent.keys() - self.headers.keys() - COMMON:
            yield f"an undocumented header {name}"
        for name, (required, schema) in self.headers.items():
            if name in sent:
                yield from (f"{name}: {fault}" for fault in schema.faults(sent[name]))
            elif required:
                yield f"no header {name}"
        kind = sent.get("content-type")
        if kind not in (self.bodies or {None}):
            yield f"Content-Type is {kind}"
        elif kind and not head:
            yield from self._body_faults(kind, reply)

    def _body_faults(self, kind, reply):
        try:
            return self.bodies[kind](reply)
        except (AssertionError, ValueError) as error:
            return [str(error)]


class Operation:
    def __init__(self, said):
        self.responses = {int(status): Response(response)
                          for status, response in said["responses"].items()}
        self.parameters = {parameter["name"] for parameter in said.get("parameters", [])}
        content = said.get("requestBody", {}).get("content", {}).get("application/json")
        self.body = content and Schema(content["schema"])

    def request_faults(self, reply, query, body):
        """Of a request that was accepted, with all of its entries."""
        if reply.status < 300:
            yield from (f"accepted though there is no parameter {name}"
                        for name, _ in parse_qsl(query, keep_blank_values=True)
                        if name not in self.parameters | {"_"})
        if self.body and reply.status < 300 and not reply.json().get("errors"):
            yield from (f"accepted though {fault}" for fault in self.body.faults(json.loads(body)))


class Contract:
    def __init__(self, document):
        said = inline(document, document)
        self.schemas = said["components"]["schemas"]
        self.others = {name: Response(response)
                       for name, response in said["x-other-requests"].items()}
        self.error = Schema(_closed(self.schemas["Error"]))
        self.paths = []  # (pattern, Allow, {method: operation})
        for template, item in said["paths"].items():
            self.paths.append((
                re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))), item.get("x-allow"),
                {method.upper(): Operation(item[method])
                 for method in ("get", "post", "delete") if method in item}))

    @functools.cache
    def schema(self, name):
        return Schema(_closed(self.schemas[name]), ordered=True)

    def find(self, path):
        """(Allow, operations) of a path; None for an unknown one."""
        return next(((allow, operations) for pattern, allow, operations in self.paths
                     if pattern.fullmatch(path)), (None, None))

    def find_as_a_web_server(self, path):
        """The same below any prefix, with dots and percent signs resolved."""
        return self.find(re.sub("^.*?(/api/|/health|/metrics)", r"\1", unquote(posixpath.normpath(path)),
                                count=1, flags=re.S))

    def faults(self, reply, method, path, body=None):
        """How a reply, or a request that was accepted, is not as the document says. Without a path
        any reply will do that the document knows."""
        path, _, query = (path or "").partition("?")
        if "X-Request-Id" not in reply.headers:
            return self._foreign_faults(reply, method, path)
        if not path:
            return self._faults_of_any(reply)
        allow, operations = self.find(path)
        if operations is None and reply.status != 404:
            allow, operations = self.find_as_a_web_server(path)
        if operations is None or b'"No such resource"' in reply.body:  # outside of api.prefix
            return self._other_faults(reply, method, 404, "unknown-path")
        if method == "OPTIONS" and reply.status == 204:
            return list(self.others["preflight"].faults(reply, False))
        if reply.status == 405 and reply.headers["Allow"] != allow:
            return [f"Allow is not {allow}"]
        if method not in allow.split(", "):
            return self._other_faults(reply, method, 405, "other-method")
        operation = operations["GET" if method == "HEAD" else method]
        if reply.status not in operation.responses:
            return [f"undocumented status {reply.status}"]
        return [*operation.responses[reply.status].faults(reply, method == "HEAD"),
                *operation.request_faults(reply, query, body)]

    def report_faults(self, path, body):
        """Of what an agent posts."""
        _, operations = self.find(path)
        return operations["POST"].body.faults(json.loads(body)) if operations else ["unknown route"]

    def _foreign_faults(self, reply, method, path):
        """A web server's own: the document itself, the web page, and replies to what it refuses."""
        if re.search("^/$|/api/(openapi.json)?$|/static/", path):
            return []
        if reply.status < 400 and method != "TRACE":
            return ["no X-Request-Id"]
        if reply.headers["Content-Type"] == "application/json" and method != "HEAD":
            return self.error.faults(reply.json())
        return []

    def _other_faults(self, reply, method, status, name):
        """A worker may refuse any request as malformed, and any when it cannot serve."""
        name = name if reply.status == status else {400: "malformed", 503: "unavailable"}.get(
            reply.status)
        return list(self.others[name].faults(reply, method == "HEAD")) if name else [
            f"undocumented route: {reply.status}"]

    def _faults_of_any(self, reply):
        known = [*self.others.values(), *(
            operation.responses[reply.status] for *_, operations in self.paths
            for operation in operations.values() if reply.status in operation.responses)]
        found = [*itertools.takewhile(bool, (
            list(response.faults(reply, not reply.body)) for response in known))]
        return min(found, key=len) if len(found) == len(known) else []


CONTRACT = Contract(json.loads(PATH.read_text()))


def note(reply, method=None, path=None, body=None):
    for fault in CONTRACT.faults(reply, method, path, body):
        deviations.append(f"{method} {path} {reply.status}: {fault}\n{reply.body[:500]!r}")


def note_report(path, body):
    """The same of what the tests' stand-in for the server is told by vsay-agent."""
    for fault in CONTRACT.report_faults(path, body):
        deviations.append(f"vsay-agent, {path}: {fault}\n{body[:500]!r}")
