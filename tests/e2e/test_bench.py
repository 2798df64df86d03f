# SPDX-License-Identifier: MIT
"""The benchmarks run to their end, and all is answered. Their figures are for people to read."""
import re
import shutil
import sys

import pytest

from stack import BUILD, REPO, run

pytestmark = [pytest.mark.heavy, pytest.mark.skipif(not shutil.which("wrk"), reason="needs wrk")]


def bench(program, *options):
    ran = run(sys.executable, REPO / "tests" / "bench" / program, *options, timeout=300,
              env={"PYTHONDONTWRITEBYTECODE": "1", "VSAY_BUILD_DIR": str(BUILD)})
    assert ran.returncode == 0, ran.stderr[-5000:]
    return ran.stdout


def errors(output):
    """Of rows of a table whose sixth column is the errors."""
    return {row[0].strip(): int(row[1]) for row in re.findall(
        r"^(.+?) +\d+ +[\d,]+ +[\d.]+ +[\d.]+ +(\d+) ", output, re.M)}


def test_requests():
    counted = errors(bench("bench.py", "--connections", "8", "--seconds", "1", "--rounds", "1"))
    assert len(counted) == 22 and set(counted.values()) == {0}


def test_against_a_build():
    output = bench("bench.py", "--against", BUILD, "--connections", "1", "--seconds", "1",
                   "--rounds", "1", "--only", "sessions, 1,000 scopes")
    assert errors(output) == {"sessions, one user": 0} and output.count("before") == 1


def test_reports():
    """With and without usage over time, and to two builds."""
    options = "--ingest", "500", "--connections", "8", "--seconds", "1", "--rounds", "1"
    output = bench("bench.py", *options)
    assert errors(output) == {"heartbeats": 0} and re.search(r" \d\.\d\d +0\.90 (met|missed)$", output, re.M)
    assert errors(bench("bench.py", *options, "--against", BUILD)) == {"heartbeats": 0, "commands": 0}


def test_fleet():
    output = bench("bench.py", "--fleet", "2000")
    assert output.count(" met") == 56 and "MISSED" not in output


def test_history():
    output = bench("bench.py", "--history", "20000")
    assert output.count(" met ") > 100 and "MISSED" not in output


def test_agents():
    output = bench("bench.py", "--agents", "50", "--delete-seconds", "2", "--rate", "5", "--seconds", "1",
                   "--rounds", "1", "--connections", "8")
    assert re.search(r"never told +0\.00 ", output) and errors(output) == {"heartbeats": 0}


def test_front_ends():
    output = bench("bench_frontends.py", "--seconds", "1", "--rounds", "1")
    assert re.search(r"^nginx-unix .* 1\.00$", output, re.M) and "lighttpd-cgi" in output
