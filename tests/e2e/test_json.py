# SPDX-License-Identifier: MIT
"""JSON is what RFC 8259 says, and no more of it is read than vsay needs: bodies and tokens."""
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fleet import Tenant
from json_cases import BAD, GOOD
from machine import LEAST, Machine, entry, said
from schemas import check_error
from stack import wait_for

MIB = 1 << 20


def with_member(value):
    return said(LEAST["heartbeat"])[:-1] + b', "x": ' + value + b"}"


# --- through the server

@pytest.mark.core
def test_what_is_json(tenant):
    machine = Machine(tenant)
    for value in GOOD:
        assert machine.post("heartbeat", with_member(value)).status == 200, value


@pytest.mark.core
def test_what_is_not(tenant):
    machine = Machine(tenant)
    for value in BAD:
        assert "JSON" in check_error(machine.post("heartbeat", with_member(value)), 400), value


@pytest.mark.core
@pytest.mark.parametrize("value", [b'{"a":1,}', b"{'a':0}", b"[NaN]", b"-01", b'"\t"', b"1."])
def test_tokens(stack, tenant, value):
    """Good but for the JSON of one part."""
    claims = {"user_id": tenant.user().user_id, "exp": 1 << 33}
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "hs"}, claims)]
    assert stack.get("/api/dashboard/stats", token=stack.keys.forge(*parts)).status == 200
    for part in range(2):
        spoilt = list(parts)
        spoilt[part] = parts[part][:-1] + b', "x": ' + value + b"}"
        assert stack.get("/api/dashboard/stats", token=stack.keys.forge(*spoilt)).status == 401


# --- how much of it

def rss(pid, what="VmRSS"):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{what}:\s*(\d+)", status)[1]) * 1024


def fill(unit, before=b'{"activities":[', after=b"]}", separator=b","):
    """A body just under 4 MiB that is made of the unit."""
    count = ((4 << 20) - len(before) - len(after)) // (len(unit) + len(separator))
    return before + separator.join([unit] * count) + after


SHAPES = {
    "objects": fill(b"{}"), "arrays": fill(b"[]"), "arrays of objects": fill(b"[{}]"),
    "numbers": fill(b"1"), "texts": fill(b'""'), "nulls": fill(b"null"),
    "members": fill(b'"a":1', b'{"activities":{', b"}}"),
    "members at the top": fill(b'"a":{}', b"{", b"}"),
    "entries": fill(b'{"a":1,"b":2}'),
    "deep": b'{"activities":' + b"[" * (2 << 20),
    "deep and closed": fill(b"[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]"),
    "a long text": b'{"activities":"' + b"x" * (4 * MIB - 100) + b'"}',
    "a long name": b'{"' + b"x" * (4 * MIB - 100) + b'":1}',
    "a long number": b'{"activities":' + b"1" * (4 * MIB - 100) + b"}",
}


@pytest.fixture(scope="module")
def one_worker(module_stacks):
    return module_stacks(workers=1)


def test_a_large_body_costs_a_few_times_its_size(one_worker):
    """And is given back."""
    machine = Machine(Tenant(one_worker))
    pid, = one_worker.worker_pids()
    machine.post("activity", SHAPES["a long text"])
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before = rss(pid)
    for name, body in SHAPES.items():
        assert machine.post("activity", body).status == 400, name
        assert rss(pid, "VmHWM") - before < 32 * MIB, name
    threads = [threading.Thread(target=machine.post, args=("activity", body), daemon=True)
               for body in list(SHAPES.values()) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert machine.heartbeat().status == 200
    wait_for(lambda: rss(pid) - before < 16 * MIB, what="the memory")
    assert [pid] == one_worker.worker_pids()


def cpu_ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_void_token_has_nothing_large_read(one_worker):
    """It is signed all the same, but its body costs neither memory nor time."""
    machine = Machine(Tenant(one_worker))
    pid, = one_worker.worker_pids()
    body = SHAPES["a long text"]
    assert machine.post("activity", body).status == 400
    one_worker.database.query("UPDATE machines SET token_generation = 2 WHERE agent_id = %s",
                              machine.id)
    assert machine.post("activity", body).status == 401
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before, began = rss(pid), cpu_ticks(pid)
    for body in SHAPES.values():
        check_error(machine.post("activity", body), 401)
    assert rss(pid, "VmHWM") - before < MIB
    assert cpu_ticks(pid) - began < 10 * len(SHAPES), "100 ms each, mostly to receive it"
    small = {"activities": []}
    assert machine.post("activity", json.dumps(small).encode()).status == 401


def test_large_reports_of_good_tokens(one_worker):
    machine = Machine(Tenant(one_worker))
    session = machine.session(machine.tenant.user())
    entries = [entry(session, seq, "x" * 10000) for seq in range(1, 301)]
    with ThreadPoolExecutor(8) as pool:
        for reply in pool.map(lambda part: machine.activity(*entries[part::8]), range(8)):
            assert (reply.status, reply.json()["errors"]) == (200, [])
    count, = one_worker.database.query(
        "SELECT COUNT(*) AS n FROM commands WHERE session_id = %s", session)
    assert count["n"] == len(entries)


def test_large_reports_without_a_database(new_stack):
    stack = new_stack(workers=1)
    machine = Machine(Tenant(stack))
    assert machine.heartbeat().status == 200
    stack.database.stop()
    check_error(machine.post("activity", SHAPES["a long text"]), 503)
    stack.database.start()
    wait_for(stack.ready)
    assert machine.post("activity", SHAPES["a long text"]).status == 400
