# SPDX-License-Identifier: MIT
"""The same read through each web server, in turn, round by round, and its ratio to nginx."""
import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench import SMALL, STATS
from rig import filled_stack, token, wrk
from frontends import FRONTS  # of tests/e2e/lib, which rig.py has put on the path

BASE = "nginx-unix"


def start(parts, root, stack):
    """All of them but the kit for shared hosting, whose way is that of mod_cgid and mod_fcgid."""
    fronts = {}
    for number, (name, front) in enumerate(FRONTS.items()):
        if name.startswith("kit-"):
            continue
        directory = root / str(number)  # the path of a socket must be short
        directory.mkdir()
        fronts[name] = parts.enter_context(contextlib.closing(front(directory, stack)))
    return fronts


def main():
    parser = argparse.ArgumentParser(description="Measures vsay-api behind each web server.")
    parser.add_argument("--seconds", type=int, default=4, help="of one run (4)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each row (3)")
    parser.add_argument("--connections", type=int, default=64, help="(64)")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("bench_frontends.py: install wrk first (a Debian package of that name)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # stops all parts on the way out
    with filled_stack(*SMALL) as stack, contextlib.ExitStack() as parts:
        root = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="vsay-bench-")))
        root.chmod(0o711)
        stack.dir.chmod(0o711)
        # mod_fcgid's processes, each with a connection of its own, stay while the others run
        stack.database.query("SET GLOBAL max_connections = 1000")
        (root / "admin").write_text(token(stack, "admin", "company_admin") + "\n")
        fronts = start(parts, root, stack)
        runs = {name: [] for name in fronts}
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            for name, front in fronts.items():
                runs[name].append(wrk(front.port, front.prefix + STATS, root / "admin",
                                      options.connections, options.seconds))
    print(f"\n{STATS}, {options.connections} connections\n\n"
          f"{'web server':20}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'errors':>8}{'ratio':>8}")
    for name, own in runs.items():
        rate, p50, p99 = (median(run[key] for run in own) for key in ("rate", "p50", "p99"))
        ratio = median(run["rate"] / base["rate"] for run, base in zip(own, runs[BASE]))
        print(f"{name:20}{rate:9,.0f}{p50:9.2f}{p99:9.2f}"
              f"{sum(run['errors'] for run in own):8}{ratio:8.2f}")


if __name__ == "__main__":
    main()
