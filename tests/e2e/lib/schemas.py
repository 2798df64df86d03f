# SPDX-License-Identifier: MIT
"""Replies against schemas/*.json. The order of a schema's properties is the order of the members."""
import json
from pathlib import Path

import jsonschema

SCHEMAS = {path.stem: json.loads(path.read_text())
           for path in (Path(__file__).parent / "schemas").glob("*.json")}
OF_PATH = {"/health": "health", "/health/ready": "health", "/api/terminal/sessions": "sessions",
           "/api/dashboard/stats": "stats", "/api/dashboard/recent-activity": "activities",
           "/api/dashboard/recent-machines": "machines"}
OF_PATTERN = {**OF_PATH, "/api/sessions/:id": "receipt"}
READS = [path for path in OF_PATH if path.startswith("/api/")]


def _check_order(value, schema):
    if isinstance(value, dict) and "properties" in schema:
        assert list(value) == [name for name in schema["properties"] if name in value]
        for name, member in value.items():
            _check_order(member, schema["properties"][name])
    elif isinstance(value, list):
        for item in value:
            _check_order(item, schema["items"])


def check(reply, name):
    """Asserts the status and the body's shape, and returns the body."""
    assert name == "error" or reply.status == {"opened": 201, "closing": 202}.get(name, 200), reply
    body = reply.json()
    jsonschema.validate(body, SCHEMAS[name], cls=jsonschema.Draft7Validator)
    _check_order(body, SCHEMAS[name])
    assert reply.headers["Content-Type"] == "application/json"
    return body


def check_error(reply, status):
    assert reply.status == status, reply
    return check(reply, "error")["error"]
