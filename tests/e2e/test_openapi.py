# SPDX-License-Identifier: MIT
"""docs/openapi.json: it has what the route table has, the ecosystem's tools take it, and the check
that all replies of the tests undergo (lib/openapi.py) sees what is not in it."""
import copy
import json
import re
from types import SimpleNamespace

import pytest

import conftest
import openapi
from fleet import Tenant
from npm import Tools
from openapi import CONTRACT, PATH, Contract, inline
from reply import Reply
from stack import REPO, run

DOCUMENT = json.loads(PATH.read_text())
OPERATIONS = "get", "post", "delete"


# --- the route table


ROUTE_C = (REPO / "src" / "api" / "route.c").read_text()


def entries():
    return re.findall(r"^    \{(\.methods.*?)\},$", ROUTE_C, re.S | re.M)


def route_path(entry):
    return re.search(r'\.pattern = "([^"]*)"', entry)[1]


def table():
    """{path: (Allow, roles)} of src/api/route.c."""
    sets = {name: value for name, value in re.findall(r"^    (\w+) = ([^,;]*?),?$", ROUTE_C, re.M)}
    routes = {}
    for entry in entries():
        methods, roles = (re.search(rf"\.{name} = ([^,]*)", entry)[1] for name in ("methods", "roles"))
        methods = re.findall(r"METHOD_(\w+)", sets.get(methods, methods))
        path = route_path(entry)
        allow, allowed = routes.get(path, ([], set()))
        routes[path] = allow + methods, allowed | {
            role.lower() for role in re.findall(r"ROLE_(\w+)", sets.get(roles, roles))}
    return routes


def documented():
    """The same of the document."""
    return {re.sub(r"{\w+}", ":id", path): (item["x-allow"].split(", "), {
        role for name in OPERATIONS if name in item
        for scheme in item[name]["security"] for roles in scheme.values() for role in roles})
        for path, item in DOCUMENT["paths"].items()}


def test_it_has_the_routes_of_the_table():
    assert len(table()) >= 13 and documented() == table()


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_methods(path):
    """Those of Allow are there, a HEAD being a GET, and each request that needs a body has one."""
    item = DOCUMENT["paths"][path]
    methods = {name.upper() for name in OPERATIONS if name in item}
    assert methods == set(item["x-allow"].split(", ")) - {"HEAD"}
    for name in OPERATIONS:
        assert ("requestBody" in item.get(name, {})) == (
            name == "post" and name in item and path != "/api/login")


def parameter_tables():
    """{path: {name: what its value is limited to}} of the route table's query parameters."""
    source = "".join((REPO / "src" / "api" / name).read_text() for name in ("query.h", "route.c"))
    macros = re.findall(r"^#define (\w+)\s((?:.*\\\n)*.*)", source, re.M)
    enums = dict(re.findall(r"(\w+) = (\d+)[, ]", "".join(
        path.read_text() for path in (REPO / "src").rglob("*.h"))))
    sources = re.findall(r'\(\w+, "(\w+)"\)', re.search(
        r"#define PROTOCOL_SOURCES.*", (REPO / "src/common/protocol.h").read_text())[0])
    tables = {}
    for name, text in re.findall(r"query_parameter (\w+)\[\] = \{(.*?)\};", source, re.S):
        for macro, body in macros:
            text = re.sub(rf"\b{macro}\b", body.replace("\\", ""), text)
        tables[name] = {}
        for said in re.findall(r'\{(\s*\.name = "[^}]*|"[^}]*)\}', text, re.S):
            said = re.sub(r'^"(\w+)", (\w+)', r'.name = "\1", .kind = \2', said)
            fields = dict(re.findall(r'\.(\w+) = ("[^"]*"|\w+)', said))
            limits = {"QUERY_NUMBER": lambda: (number("min"), number("max")),
                      "QUERY_TEXT": lambda: number("max"),
                      "QUERY_CHOICE": lambda: sources if fields["choices"] ==
                      "PROTOCOL_SOURCE_NAMES" else fields["choices"].strip('"').split()}

            def number(field):
                return int(enums.get(fields[field], fields[field]))
            tables[name][fields["name"].strip('"')] = limits.get(fields["kind"], lambda: None)()
    return {route_path(entry): tables[found[1]] if (found := re.search(
        r"\.parameters = (\w+)", entry)) else {} for entry in entries()}


def limits_of(schema):
    """The same of a documented parameter."""
    if schema.get("type") == "integer":
        return schema["minimum"], schema["maximum"]
    return schema.get("enum") or schema.get("maxLength")


def test_it_has_the_query_parameters_of_the_table():
    said = inline(DOCUMENT, DOCUMENT["paths"])
    tables = parameter_tables()
    assert tables["/api/terminal/sessions"]["limit"] == (1, 1000)
    assert {re.sub(r"{\w+}", ":id", path): {parameter["name"]: limits_of(parameter["schema"]) for name in OPERATIONS
                   for parameter in item.get(name, {}).get("parameters", ())
                   if parameter["in"] == "query"} for path, item in said.items()} == tables


# --- tools


@pytest.fixture
def tools(directory):
    return Tools(directory)


def test_a_linter_accepts_it(tools):
    """With all rules that it recommends, and examples against their schemas."""
    tools.do("redocly", "lint", "--extends", "recommended-strict", PATH)
    wrong = copy.deepcopy(DOCUMENT)
    wrong["components"]["schemas"]["Stats"]["properties"]["avg_cpu"]["type"] = "string"
    (tools.dir / "wrong.json").write_text(json.dumps(wrong))
    assert tools.run("redocly", "lint", "--extends", "recommended-strict", "wrong.json").returncode


def test_a_generated_client_works(tools, stack):
    tenant = Tenant(stack)
    admin = tenant.user("company_admin")
    session = tenant.session(tenant.machine(), admin)
    tools.do("openapi-typescript", PATH, "-o", "api.d.ts")
    tools.do("tsc", "--project", "tsconfig.json")
    ran = run("node", tools.dir / "client.js", f"http://127.0.0.1:{stack.port}", admin.token, session)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "ids": [session], "error": "Session not found", "notFound": 404, "message": "Session closed",
        "status": "closing", "outcome": None}


# --- the check itself

STATS = "/api/dashboard/stats"


def at(document, *names):
    for name in names:
        document = document[name]
    return document


def found(reply, method, path, document=DOCUMENT):
    return Contract(document).faults(reply, method, path)


@pytest.fixture
def reply(stack):
    """A good one."""
    admin = Tenant(stack).user("company_admin")
    reply = stack.get(STATS, admin)
    assert CONTRACT.faults(reply, "GET", STATS) == []
    return reply


@pytest.mark.parametrize("what, names", [
    ("avg_disk", ("components", "schemas", "Stats", "properties", "avg_disk")),
    ("undocumented status 200", ("paths", STATS, "get", "responses", "200")),
    ("undocumented route", ("paths", STATS)),
    ("Content-Type", ("paths", STATS, "get", "responses", "200", "content", "application/json")),
    ("undocumented header cache-control",
     ("paths", STATS, "get", "responses", "200", "headers", "Cache-Control"))])
def test_what_the_document_lacks_is_found(reply, what, names):
    document = copy.deepcopy(DOCUMENT)
    del at(document, *names[:-1])[names[-1]]
    assert what in found(reply, "GET", STATS, document)[0]


def test_a_member_too_few_or_elsewhere_is_found(reply):
    def faults_of(body):
        reply.body = json.dumps(body).encode()
        return found(reply, "GET", STATS)

    body = reply.json()
    assert faults_of(body) == []
    assert "another order" in faults_of(dict(reversed(body.items())))[0]
    assert "must not contain {'more'}" in faults_of({**body, "more": 1})[0]
    del body["avg_disk"]
    assert "must contain" in faults_of(body)[0]


def test_a_header_too_few_is_found(reply):
    del reply.headers["Cache-Control"]
    assert found(reply, "GET", STATS) == ["no header cache-control"]
    del reply.headers["X-Request-Id"]
    assert found(reply, "GET", STATS) == ["no X-Request-Id"]


def test_wrong_methods_and_paths(stack):
    """Only a 405 with the path's Allow, only a 404."""
    wrong = stack.request("PUT", STATS)
    assert found(wrong, "PUT", STATS) == []
    assert found(wrong, "PUT", "/health") == []
    assert found(wrong, "PUT", "/api/agent/signals") == ["Allow is not GET"]
    assert found(wrong, "PUT", "/nowhere") == ["undocumented route: 405"]


def test_a_deviation_fails_the_test_that_runs(reply):
    """In whatever thread, and though the test itself does not look at it."""
    call = conftest.pytest_runtest_call()
    next(call)
    del reply.headers["Cache-Control"]
    Reply(reply.status, reply.headers, reply.body, ("GET", STATS))
    with pytest.raises(pytest.fail.Exception, match="no header cache-control"):
        call.send(SimpleNamespace(excinfo=None))
    assert openapi.deviations == []
