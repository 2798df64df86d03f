# SPDX-License-Identifier: MIT
"""GET /metrics, and what conf/prometheus makes of it in a real Prometheus."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

import fcgi
from cgi_program import CgiClient, cgi
from ctl import Operator
from fleet import Tenant
from machine import Machine
from metrics import MEDIA_TYPE, Metrics, Scraper
from schemas import READS, check_error
from stack import ENV, REPO, Process, free_port, run, wait_for, write_conf
from test_meta import routes
from tokens import claims, write_secret

PROMETHEUS = REPO / "conf" / "prometheus"
STATS = "/api/dashboard/stats"

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def stack(module_stacks):
    """Alone: what all of its workers did, and all of its rows, are known."""
    stack = module_stacks(workers=2)
    wait_for(lambda: Scraper(stack).scrape().get("vsay_workers") == 2)
    return stack


@pytest.fixture
def scraper(stack):
    return Scraper(stack)


@pytest.fixture
def clean(stack):
    for table in "machines", "machine_access", "sessions", "signals", "commands":
        stack.database.query(f"DELETE FROM {table}")


def promtool(*arguments, text=None):
    ran = subprocess.run(["promtool", *map(str, arguments)], input=text, text=True, env=ENV,
                         capture_output=True, timeout=60)
    return ran.returncode, ran.stdout + ran.stderr


def has_promtool():
    return shutil.which("promtool", path=ENV["PATH"])


needs_prometheus = pytest.mark.skipif(not has_promtool(), reason="needs prometheus")


# --- who may


def test_who_may_read_it(stack, tenant):
    machine = Machine(tenant)
    for by, status in ((None, 401), (tenant.user(), 403), (tenant.user("company_admin"), 403),
                       (machine, 403)):
        check_error(stack.get("/metrics", by), status)
    for role in "metrics", "super_admin":
        assert Scraper(stack, role).scrape().names()


def test_its_role_may_read_nothing_else(stack, tenant, scraper):
    session = tenant.session(tenant.machine(), tenant.user())
    for methods, pattern in routes():
        if pattern == "/metrics" or pattern.startswith("/health"):
            continue
        method = "GET" if methods == "READ" else methods.removeprefix("METHOD_")
        reply = stack.request(method, pattern.replace(":id", session), scraper,
                              body=b"{}" if method == "POST" else None)
        check_error(reply, 403)


def test_a_token_of_vsayctl(stack, directory):
    token = Operator(stack, directory).do("token", "--role", "metrics", "--user-id", "prometheus")
    assert stack.get("/metrics", token=token.strip()).status == 200
    assert stack.get(STATS, token=token.strip()).status == 403


def test_no_token_is_of_that_role_by_default(stack, directory):
    conf = write_conf(directory / "vsay.conf", {**stack.settings, "auth": {
        **stack.settings["auth"], "default_role": "metrics"}})
    checked = run(stack.program, "--config", conf, "--check-config")
    assert checked.returncode == 1 and "auth.default_role" in checked.stderr


# --- its form


@needs_prometheus
def test_promtool_finds_nothing_wrong(stack, tenant, scraper):
    for path, by in (("/health", None), (STATS, tenant.user()), (STATS, None), ("/none", None)):
        stack.get(path, by)
    assert promtool("check", "metrics", text=scraper.scrape().text) == (0, "")


def test_each_name_has_one_type_and_one_help(scraper):
    text = scraper.scrape().text
    for kind in "HELP", "TYPE":
        names = re.findall(rf"^# {kind} (\w+) ", text, re.M)
        assert len(names) == len(set(names)) >= 15
    for name, help_text in re.findall(r"^# HELP (\w+) (.*)$", text, re.M):
        assert help_text.endswith("."), name


def test_head(stack, scraper):
    reply = stack.request("HEAD", "/metrics", scraper)
    assert (reply.status, reply.headers["Content-Type"], reply.body) == (200, MEDIA_TYPE, b"")


def test_nobody_is_named(stack, tenant, scraper):
    """Whoever watches a service need not know who works on it."""
    user, machine = tenant.user(), tenant.machine(name="Alices laptop")
    session = tenant.session(machine, user)
    for path in STATS, f"/api/sessions/{session}", f"/api/terminal/sessions?user_id={user.user_id}":
        assert stack.get(path, user).status == 200
    text = scraper.scrape().text
    for name in user.user_id, user.username, machine, "laptop", session, tenant.id, "prometheus":
        assert name not in text


# --- the database


def test_the_fleet(stack, scraper, clean):
    tenant, other = Tenant(stack), Tenant(stack)
    user = tenant.user()
    online = tenant.machine(dropped_commands=3)
    other.machine(seen=60)
    for ago in 500, 86400, None, None, None:
        other.machine(seen=ago, dropped_commands=10)
    for source, count in ("ui", 1), ("cli", 3):
        for _ in range(count):
            tenant.session(online, user, source=source)
    tenant.session(other.machine(seen=500), user)  # nobody's, and offline
    tenant.session(online, user, state="closed")
    found = scraper.scrape()
    assert found.by("vsay_machines", "state") == {"online": 2, "offline": 3, "never": 3}
    assert found.by("vsay_active_sessions", "source") == {"ui": 1, "cli": 3, "vscode": 0}
    assert found.get("vsay_commands_dropped") == 53
    assert found.get("vsay_database_up") == 1
    admin = Scraper(stack, "super_admin")
    assert len(stack.get("/api/terminal/sessions", admin).json()["sessions"]) == 4


def test_terminations(stack, scraper, clean):
    tenant = Tenant(stack)
    user = tenant.user()
    machine = Machine(tenant, owner=user)
    sessions = [machine.session(user) for _ in range(4)]
    found = scraper.scrape()
    assert found.get("vsay_terminations_pending") == 0
    assert found.get("vsay_terminations_oldest_pending_seconds") == 0
    for session in sessions:
        assert stack.delete(session, user).status == 200
    stack.database.query("UPDATE signals SET requested_at = requested_at - INTERVAL 1000 SECOND "
                         "WHERE session_id = %s", sessions[3])
    found = scraper.scrape()
    assert found.get("vsay_terminations_pending") == 4
    assert 1000 <= found.get("vsay_terminations_oldest_pending_seconds") < 1100
    assert machine.end(sessions[0], "killed").status == 200
    assert machine.end(sessions[1], "killed", confirmed=False).status == 200
    machine.held.remove(sessions[2])
    assert machine.heartbeat().status == 200
    found = scraper.scrape()
    assert found.get("vsay_terminations_pending") == 1
    assert found.by("vsay_terminations_recent", "outcome") == {
        "pending": 1, "confirmed": 1, "vanished": 2, "expired": 0}


def test_only_the_last_thousand_terminations_are_looked_at(stack, scraper, clean):
    stack.database.query(
        "INSERT INTO signals (session_id, agent_id, requested_by, requested_by_username, "
        "requested_at, due_at, outcome) SELECT CONCAT('s', seq), 'a', 'u', 'n', UTC_TIMESTAMP(3), "
        "NULL, IF(seq <= 1500, 'confirmed', 'expired') FROM seq_1_to_1600")
    assert scraper.scrape().by("vsay_terminations_recent", "outcome") == {
        "pending": 0, "confirmed": 900, "vanished": 0, "expired": 100}


# --- the workers


def total(stack, **labels):
    return Scraper(stack).scrape().get("vsay_requests_total", **labels)


def scrape_after(scraper, before, requests):
    """When so many more were counted, which may be after their replies have come."""
    def others(found):
        return found.get("vsay_requests_total") - found.get("vsay_requests_total", route="/metrics")

    return wait_for(lambda: others(found := scraper.scrape()) >= others(before) + requests and found)


def test_requests_by_route_and_status(stack, tenant, scraper):
    machine, admin = Machine(tenant), tenant.user("company_admin")
    before = scraper.scrape()
    for method, path, by in (
            ("GET", "/health", None), ("HEAD", "/health", None), ("GET", STATS, admin),
            ("GET", STATS, None), ("GET", STATS, None), ("GET", "/api/sessions/none", admin),
            ("GET", f"/api/sessions/{machine.id}", admin), ("GET", "/none", None),
            ("GET", "/wp-login.php", None), ("PUT", STATS, admin), ("OPTIONS", STATS, admin),
            ("DELETE", "/api/terminal/sessions/none", admin)):
        stack.request(method, path, by)
    assert machine.post("activity", b"x" * 70000).status == 400  # looked up first
    stack.raw(b"BREW /api/none HTTP/1.1\r\nHost: a\r\n\r\n")
    after = scrape_after(scraper, before, 14)

    def new(**labels):
        return after.get("vsay_requests_total", **labels) - \
            before.get("vsay_requests_total", **labels)
    assert new(route="/health", method="GET", status="200") == 2
    assert (new(route=STATS, status="200"), new(route=STATS, status="401")) == (1, 2)
    assert new(route="/api/sessions/:id", status="404") == 2
    assert new(route="/api/terminal/sessions/:id", method="DELETE", status="404") == 1
    assert new(route="/api/agent/activity", method="POST", status="400") == 1
    assert new(route="/metrics") >= 1, "the one before"
    assert new(route="other", status="404") == 3 and new(route="other", status="405") == 2
    assert set(after.by("vsay_requests_total", "route")) <= {"other", *(
        pattern for _, pattern in routes())}


def test_latencies(stack, scraper, tenant):
    machine = Machine(tenant)
    before = scraper.scrape()
    assert machine.poll(wait=1).status == 200
    stack.get("/health")
    after = scrape_after(scraper, before, 2)
    name, poll = "vsay_request_duration_seconds", "/api/agent/signals"

    def new(part, **labels):
        return after.get(name + part, **labels) - before.get(name + part, **labels)
    assert [new("_bucket", route=poll, le=le) for le in ("0.5", "1", "+Inf")] == [0, 0, 1]
    assert new("_count", route=poll) == 1 <= new("_sum", route=poll)
    assert new("_bucket", route="/health", le="+Inf") == new("_count", route="/health") == 1
    for route in {dict(labels)["route"] for labels in after.of(name + "_count")}:
        buckets = [value for _, value in sorted(
            (float(le), value) for le, value in ((dict(labels)["le"], value) for labels, value
                                                 in after.of(name + "_bucket", route=route).items()))]
        assert len(buckets) >= 15 and (buckets == sorted(buckets) or route.endswith("/:id"))
        assert after.get(name + "_count", route=route) == \
            after.get("vsay_requests_total", route=route)


def test_several_requests_share_a_batch(stack, scraper, tenant):
    admin = tenant.user("company_admin")
    before = scraper.scrape()
    with ThreadPoolExecutor(32) as pool:
        assert {reply.status for reply in pool.map(lambda _: stack.get(STATS, admin),
                                                   range(400))} == {200}
    after = scraper.scrape()
    requests, batches = (after.get(name, kind="read") - before.get(name, kind="read")
                        for name in ("vsay_database_requests_total", "vsay_database_batches_total"))
    assert requests >= 401, "a scrape asks too"
    assert 1 <= batches < requests


def test_who_waits(stack, scraper, tenant):
    machine, admin = Machine(tenant), tenant.user("company_admin")
    session = machine.session(admin)
    thread = threading.Thread(target=machine.poll, kwargs={"wait": 55, "timeout": 120})
    thread.start()
    wait_for(lambda: scraper.scrape().get("vsay_requests_waiting", **{"for": "signal"}) == 1)
    assert stack.delete(session, admin).status == 200
    thread.join()
    wait_for(lambda: scraper.scrape().get("vsay_requests_waiting") == 0)
    assert scraper.scrape().get("vsay_connections") >= 1


def test_workers_add_up_and_one_that_is_killed_is_not_forgotten(stack, scraper):
    found = scraper.scrape()
    assert found.get("vsay_metrics_shared") == 1 and found.get("vsay_workers") == 2
    started = found.by("vsay_worker_start_time_seconds", "worker")
    assert len(started) == 2
    before = total(stack, route="/health")
    for _ in range(100):
        assert stack.get("/health").status == 200
    wait_for(lambda: total(stack, route="/health") == before + 100)
    for victim in stack.worker_pids():
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: victim not in stack.worker_pids() and len(stack.worker_pids()) == 2)
        wait_for(lambda: scraper.scrape().get("vsay_workers") == 2)
        assert total(stack, route="/health") >= before + 100
    assert len(scraper.scrape().by("vsay_worker_start_time_seconds", "worker")) == 2


def test_without_a_database(new_stack):
    stack = new_stack(workers=2)
    scraper = Scraper(stack)
    wait_for(lambda: scraper.scrape().get("vsay_workers_database_away") == 0)
    stack.database.stop()
    with ThreadPoolExecutor(16) as pool:  # each thread that asks it finds out
        wait_for(lambda: list(pool.map(stack.get, ["/health/ready"] * 32)) and
                 scraper.scrape().get("vsay_workers_database_away") == 2)
    found = scraper.scrape()
    assert found.get("vsay_database_up") == 0 and not found.of("vsay_machines")
    assert found.get("vsay_database_errors_total", error="db_away") > 0
    assert found.get("vsay_requests_total", route="/health/ready", status="503") > 0
    stack.database.start()
    wait_for(lambda: scraper.scrape().get("vsay_workers_database_away") == 0)
    found = scraper.scrape()
    assert found.get("vsay_database_up") == 1 and found.get("vsay_database_reconnects_total") >= 2


def test_cgi(stack, scraper):
    """Nothing was counted, so nothing is told of it."""
    found = Metrics(CgiClient(stack.conf).get("/metrics", scraper))
    assert found.get("vsay_database_up") == 1 and found.get("vsay_build_info") == 1
    assert found.names() == {
        "vsay_database_up", "vsay_machines", "vsay_active_sessions", "vsay_commands_dropped",
        "vsay_terminations_pending", "vsay_terminations_oldest_pending_seconds",
        "vsay_terminations_recent", "vsay_build_info"}


def test_cgi_without_a_database(stack, scraper, directory):
    conf = write_conf(directory / "vsay.conf", {**stack.settings, "db": {
        **stack.settings["db"], "host": directory / "none.sock"}})
    found = Metrics(cgi(conf, "/metrics", by=scraper))
    assert found.names() == {"vsay_database_up", "vsay_build_info"}
    assert found.get("vsay_database_up") == 0


def test_below_a_prefix(stack, scraper, directory, new_worker):
    conf = write_conf(directory / "vsay.conf", {**stack.settings, "api": {"prefix": "/vsay"}})
    worker = new_worker(conf)
    assert worker.get("/vsay/metrics", scraper).status == 200
    assert worker.get("/metrics", scraper).status == 404


# --- the file


def own_numbers(worker, scraper):
    return Metrics(worker.get("/metrics", scraper))


@pytest.mark.parametrize("what", ["diary", "directory", "nowhere"])
def test_a_file_that_cannot_be_used(stack, scraper, directory, new_worker, what):
    path = directory / "metrics"
    if what == "diary":
        path.write_text("dear diary")
    elif what == "directory":
        path.mkdir()
    else:
        path = directory / "none" / "metrics"
    worker = new_worker(write_conf(directory / "vsay.conf", {
        **stack.settings, "metrics": {"file": path}}))
    for requests in 1, 2:
        assert worker.get("/health").status == 200
        found = own_numbers(worker, scraper)
        assert found.get("vsay_metrics_shared") == 0 and found.get("vsay_workers") == 1
        assert found.get("vsay_requests_total", route="/health") == requests
    assert len(re.findall("event=metrics ", worker.log.read_text())) == 1
    assert what != "diary" or path.read_text() == "dear diary"


def test_no_file(stack, scraper, new_worker):
    worker = new_worker(stack.conf)
    found = own_numbers(worker, scraper)
    assert found.get("vsay_metrics_shared") == 0 and found.get("vsay_workers") == 1
    assert "event=metrics " not in worker.log.read_text()


def test_the_directory_that_systemd_makes(stack, scraper, directory):
    """RuntimeDirectory= of the unit."""
    workers = [Process(directory / f"{name}.log", stack.program, "--config", stack.conf, "--listen",
                       f"unix:{directory}/{name}.sock", env={"RUNTIME_DIRECTORY": str(directory)})
               for name in "ab"]
    with contextlib.ExitStack() as exit_stack:
        for worker in workers:
            exit_stack.callback(worker.stop)
        wait_for(lambda: (directory / "b.sock").exists() and (directory / "a.sock").exists())
        found = wait_for(lambda: (found := Metrics(fcgi.request(
            directory / "a.sock", fcgi.environment("GET", "/metrics", scraper)))) and
            found.get("vsay_workers") == 2 and found)
        assert found.get("vsay_metrics_shared") == 1


def test_a_file_that_is_cut_off_under_the_workers(new_stack, stack):
    """A page that is not there any more would end a process."""
    other = new_stack(database=stack.database, keys=stack.keys, workers=2)
    scraper = Scraper(other)
    wait_for(lambda: scraper.scrape().get("vsay_workers") == 2)
    pids = sorted(other.worker_pids())
    os.truncate(other.metrics, 0)
    for _ in range(50):
        assert other.get("/health").status == 200
    wait_for(lambda: other.log.read_text().count("event=metrics ") == 2)
    assert sorted(other.worker_pids()) == pids
    found = scraper.scrape()
    assert found.get("vsay_metrics_shared") == 0 and found.get("vsay_workers") == 1
    assert 0 < found.get("vsay_requests_total", route="/health") <= 50


# --- conf/prometheus


def expressions():
    """Of the rules and of the dashboard."""
    found = re.findall(r"expr: >-\n((?: {10}.*\n)+)|expr: (.*)",
                       (PROMETHEUS / "vsay.rules.yml").read_text())
    yield from (several or one for several, one in found)

    def walk(value):
        if isinstance(value, dict):
            for name, member in value.items():
                if name in ("expr", "query") and isinstance(member, str):
                    yield member
                else:
                    yield from walk(member)
        elif isinstance(value, list):
            for member in value:
                yield from walk(member)
    yield from walk(json.loads((PROMETHEUS / "vsay.dashboard.json").read_text()))


def test_rules_and_dashboard_ask_for_what_there_is(stack, tenant, scraper):
    stack.get(STATS, tenant.user())
    there = scraper.scrape()
    wanted = {name for text in expressions() for name in re.findall(r"vsay_\w+", text)}
    assert len(wanted) >= 14
    assert wanted - there.names() == set()
    labels = {name for text in expressions()
              for name in re.findall(r"by \(([^)]*)\)|(\w+)[!=]~?\"", text) for name in name if name}
    known = {label for _, pairs in there.series for label, _ in pairs} | {"instance", "job"}
    assert {name.strip() for text in labels for name in text.split(",")} <= known


RULE_TEST = """
rule_files: [%s]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'up{job="vsay",instance="a"}', values: '1x30 0x10'}
      - {series: 'vsay_workers_database_away{instance="a"}', values: '0x9 2x30'}
      - {series: 'vsay_machines{state="online"}', values: '100x20 80x20'}
      - {series: 'vsay_machines{state="offline"}', values: '5x20 25x20'}
      - {series: 'vsay_terminations_oldest_pending_seconds', values: '0+60x40'}
      - {series: 'vsay_requests_total{route="/x",status="200"}', values: '0+100x40'}
      - {series: 'vsay_requests_total{route="/x",status="503"}', values: '0x20 0+10x20'}
      - {series: 'vsay_commands_dropped', values: '7x30 9x10'}
      - {series: 'vsay_request_duration_seconds_bucket{route="/x",method="GET",le="1"}', values: '0+90x40'}
      - {series: 'vsay_request_duration_seconds_bucket{route="/x",method="GET",le="2.5"}', values: '0+100x40'}
      - {series: 'vsay_request_duration_seconds_bucket{route="/x",method="GET",le="+Inf"}', values: '0+100x40'}
      - {series: 'vsay_request_duration_seconds_bucket{route="/api/agent/signals",method="GET",le="10"}', values: '0x40'}
      - {series: 'vsay_request_duration_seconds_bucket{route="/api/agent/signals",method="GET",le="+Inf"}', values: '0+100x40'}
    promql_expr_test:
%s
"""


@needs_prometheus
def test_rules(directory):
    """Each alert fires when it should, and not before."""
    assert promtool("check", "rules", PROMETHEUS / "vsay.rules.yml")[0] == 0
    expected = {  # alert: (labels that are added, last minute without, a minute with)
        "VsayDown": ('instance="a",job="vsay",severity="critical"', 32, 35),
        "VsayDatabaseAway": ('instance="a",severity="critical"', 10, 13),
        "VsayMachinesOffline": ('severity="warning"', 30, 35),
        "VsayTerminationPending": ('severity="warning"', 14, 18),
        "VsayErrors": ('severity="critical"', 24, 32),
        "VsaySlow": ('route="/x",severity="warning"', 9, 14),
        "VsayCommandsDropped": ('severity="warning"', 29, 34)}
    tests = ""
    for alert, (labels, silent, firing) in expected.items():
        its = f'ALERTS{{alertname="{alert}",alertstate="firing"'
        for minute, samples in (silent, "[]"), (firing, f"[{{labels: '{its},{labels}}}', value: 1}}]"):
            tests += (f"      - expr: {its}}}\n        eval_time: {minute}m\n"
                      f"        exp_samples: {samples}\n")
    path = directory / "test.yml"
    path.write_text(RULE_TEST % (PROMETHEUS / "vsay.rules.yml", tests))
    assert promtool("test", "rules", path)[0] == 0, promtool("test", "rules", path)[1]


class Prometheus(Process):
    """Scrapes a stack as conf/prometheus/prometheus.yml says."""

    def __init__(self, stack, directory, token):
        self.port = free_port()
        write_secret(directory / "vsay.token", token.encode())
        text = (PROMETHEUS / "prometheus.yml").read_text()
        for old, new in (("/etc/prometheus/vsay.rules.yml", str(PROMETHEUS / "vsay.rules.yml")),
                         ("/etc/prometheus/vsay.token", str(directory / "vsay.token")),
                         ("scheme: https", "scheme: http"),
                         ("vsay.example.com", f"127.0.0.1:{stack.port}")):
            assert old in text
            text = text.replace(old, new)
        conf = directory / "prometheus.yml"
        conf.write_text(text + "\nglobal: {scrape_interval: 1s, scrape_timeout: 1s, "
                        "evaluation_interval: 1s}\n")
        super().__init__(directory / "prometheus.log", "prometheus", f"--config.file={conf}",
                         f"--storage.tsdb.path={directory / 'tsdb'}",
                         f"--web.listen-address=127.0.0.1:{self.port}")

    def query(self, expression):
        """{labels: value} of an instant query."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode(
            {"query": expression})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with contextlib.suppress(OSError), opener.open(url, timeout=5) as reply:
            return {frozenset(found["metric"].items()): float(found["value"][1])
                    for found in json.load(reply)["data"]["result"]}
        return {}

    def number(self, expression):
        return next(iter(self.query(expression).values()), None)


@needs_prometheus
def test_a_real_prometheus(stack, directory):
    token = Operator(stack, directory).do("token", "--role", "metrics", "--user-id", "prometheus")
    prometheus = Prometheus(stack, directory, token)
    try:
        wait_for(lambda: prometheus.number('up{job="vsay"}') == 1 and
                 prometheus.number("vsay_workers") == 2, 60, "a scrape")
        before = total(stack, route="/health")
        for _ in range(60):
            assert stack.get("/health").status == 200
        health = 'sum(vsay_requests_total{route="/health"})'
        wait_for(lambda: prometheus.number(health) == before + 60, 60, "the requests of both")
        os.kill(stack.worker_pids()[0], signal.SIGKILL)
        for _ in range(60):
            stack.get("/health")
        wait_for(lambda: prometheus.number(health) >= before + 120 and
                 prometheus.number("vsay_workers") == 2, 60, "the worker that came for it")
        assert prometheus.number('resets(vsay_requests_total{route="/health",status="200"}[1m])') == 0
        wait_for(lambda: prometheus.number("count(ALERTS) or vector(0)") == 0, 60, "no alert")
    finally:
        prometheus.stop()
