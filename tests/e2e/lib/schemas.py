# SPDX-License-Identifier: MIT
"""Replies that are what a test wants them to be, by the schemas of docs/openapi.json."""
from openapi import CONTRACT

OF_PATH = {"/health": "health", "/health/ready": "health", "/api/terminal/sessions": "sessions",
           "/api/dashboard/stats": "stats", "/api/dashboard/recent-activity": "activities",
           "/api/dashboard/recent-machines": "machines"}
READS = [path for path in OF_PATH if path.startswith("/api/")]


def check(reply, name):
    """Asserts the status, and that the body is what the schema of that name says; returns the body."""
    assert name == "error" or reply.status == {"opened": 201, "closing": 202}.get(name, 200), reply
    body = reply.json()
    assert CONTRACT.schema(name.capitalize()).faults(body) == []
    assert reply.headers["Content-Type"] == "application/json"
    return body


def check_error(reply, status):
    assert reply.status == status, reply
    return check(reply, "error")["error"]
