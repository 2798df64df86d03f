# SPDX-License-Identifier: MIT
"""No line of a log can be forged, and nothing in one moves the reader's cursor."""
import re

import pytest

from fleet import Tenant, unique
from stack import CTL, run, wait_for

HARMFUL = ['/a" status=200 x="b', "/a\\", '/\\" y=1', "/\nlevel=error", "/\x1b[31m", "/\x7f", "/\u0085",
           "/\u009b1m", "/\u2028\u2029", "/\u202e", "/\u2066", b"/\xff", b"/\xc0\xaf", b"/\xed\xa0\x80",
           "/" + '"' * 1000]
VALUE = r'(?:"(?:[^"\\]|\\.)*"|[^ "\\]*)'
LINE = re.compile(rf"\S+Z level=\w+ program=[\w-]+ pid=\d+ event=\w+(?: \w+={VALUE})*")

def check_lines(data):
    text = data.decode()  # it is UTF-8
    for line in text.split("\n")[:-1]:
        assert LINE.fullmatch(line), line
    assert not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]", text)

def test_paths(stack):
    start = stack.log.stat().st_size
    for path in HARMFUL:
        path = path if isinstance(path, bytes) else path.encode()
        assert stack.fcgi("GET", "/", SCRIPT_NAME=path).status == 404

    def new():
        data = stack.log.read_bytes()[start:]
        return data.count(b"event=request") >= len(HARMFUL) and data
    data = wait_for(new)
    check_lines(data)
    assert len(re.findall(rb" status=404 path=", data)) >= len(HARMFUL)
    assert not re.findall(rb'(?<!\\)" status=200', data)

def test_through_nginx(stack):
    assert stack.get("/a%22%20status=200%20x=%22b%C2%9B").status == 404
    line = wait_for(lambda: [line for line in stack.log.read_text().splitlines() if "x=" in line])[-1]
    assert r'path="/a\" status=200 x=\"b\u009b"' in line

def test_tables(stack, tenant):
    name = 'N\u009b1m"\\\u202e'
    agent = tenant.machine(name=name)
    listed = run(CTL, "--config", stack.conf, "machine", "list", env=stack.database.admin())
    line, = [line for line in listed.stdout.splitlines() if re.match(rf"\S*{agent}\b|.*\b{agent}\b", line)]
    assert r'N\u009b1m\"\\\u202e' in line

@pytest.mark.parametrize("text", ["\u009b1m\u202e"])
def test_messages(stack, text):
    failed = run(CTL, "--config", f"/nowhere/{text}", "machine", "list")
    assert failed.returncode == 1 and r"\u009b1m\u202e" in failed.stderr
