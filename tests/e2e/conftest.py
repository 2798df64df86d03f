# SPDX-License-Identifier: MIT
import contextlib
import functools
import itertools
import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "lib"))

import browser as browsers
from databases import SERVERS
import openapi
from fleet import Tenant
from stack import API, Stack, Worker, write_conf

sys.dont_write_bytecode = not sys.pycache_prefix  # none beside the sources


def pytest_configure(config):
    config.addinivalue_line("markers", "core: contract, rights and bad input; for sanitizers too")
    config.addinivalue_line("markers", "threads: a whole worker under mixed load; for ThreadSanitizer")
    config.addinivalue_line("markers", "heavy: takes long; run by ./quickstart test --all")
    config.addinivalue_line("markers", "databases(hostile=True, cluster=True): runs on more databases "
                            "than MariaDB: MySQL and MariaDB with hostile settings, and a cluster; with "
                            "hostile=False MySQL as it comes, with cluster=False no cluster, for reads")
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated"))  # runs the finalizers
    # Behind nohup and & they are ignored, which the programs under test would inherit: nobody could
    # interrupt or hang up a shell. A handler is not inherited.
    for number in signal.SIGHUP, signal.SIGINT, signal.SIGQUIT:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """Failed tests are remembered without the group that xdist appends to their names, by which
    --last-failed would not find them again."""
    cache = getattr(session.config, "cache", None)
    if not cache or hasattr(session.config, "workerinput"):
        return
    failed = cache.get("cache/lastfailed", {})
    cache.set("cache/lastfailed", {re.sub(r"@[^@\]/]*$", "", name): True for name in failed})


def pytest_generate_tests(metafunc):
    mark = metafunc.definition.get_closest_marker("databases")
    if "server" in metafunc.fixturenames and mark:
        more = ["hostile-mariadb", "hostile-mysql"] if mark.kwargs.get("hostile", True) else ["mysql"]
        if mark.kwargs.get("cluster", True):
            more.append("galera")
        metafunc.parametrize("server", ["mariadb", *(
            pytest.param(name, marks=pytest.mark.heavy) for name in more)],
            indirect=True, scope="session")


def group(item):
    """What xdist runs in one process, in order: what is marked so, all tests on another database than
    the usual one, which is started once, and the tests of a file that share a module's fixtures, each
    parameter of such a fixture by itself. None is a test that may run anywhere."""
    if mark := item.get_closest_marker("xdist_group"):
        return mark.args[0]
    if "browser" in item.fixturenames:
        return "browser"  # one at a time
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if (server := params.get("server", "mariadb")) != "mariadb":
        return server
    shared = {name for name, found in item._fixtureinfo.name2fixturedefs.items()
              if found[-1].scope in ("module", "class")}
    together = [str(params[name]) for name in sorted(shared) if name in params]
    return "-".join([item.path.stem, *together]) if shared or together else None


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items):
    """Groups go first, since they take longest, and of these the two that take minutes and mostly
    wait; single tests fill what they leave."""
    for item in items:
        if "browser" in item.fixturenames:
            item.add_marker("heavy")
    groups = {item: group(item) for item in items}
    for item, name in groups.items():
        if name:
            item.add_marker(pytest.mark.xdist_group(name))
    items.sort(key=lambda item: (groups[item] is None,
                                 groups[item] not in ("browser", "test_readme")))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call():
    """Fails a test when a reply, of its own or of its fixtures, was not as docs/openapi.json says."""
    outcome = yield
    found = list(dict.fromkeys(openapi.deviations))
    openapi.deviations.clear()
    if found and not outcome.excinfo:
        pytest.fail("\n".join(["not as docs/openapi.json says:", *found[:20]]), pytrace=False)


@pytest.fixture(scope="session")
def server(request):
    """The class of the database below."""
    return SERVERS[getattr(request, "param", "mariadb")]


@pytest.fixture(scope="session")
def new_directory():
    """Makes directories with short paths, for sockets."""
    root = Path(tempfile.mkdtemp(prefix="vsay-", dir="/tmp"))
    root.chmod(0o711)  # web servers that root starts become somebody else
    number = itertools.count()

    def make():
        path = root / str(next(number))
        path.mkdir()
        return path

    yield make
    shutil.rmtree(root)


def stacks(new_directory, server):
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            contextlib.closing(Stack(new_directory(), **{"server": server, **options})))


module_stacks = pytest.fixture(stacks, scope="module")
new_stack = pytest.fixture(stacks)  # for tests that break parts or need other settings


@pytest.fixture(scope="session")
def shared_stacks(new_directory):
    """One stack for each server, made when it is first asked for."""
    assert Path(API).exists(), f"{API} is not built; set VSAY_BUILD_DIR"
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda server: stack.enter_context(
            contextlib.closing(Stack(new_directory(), server=server))))


@pytest.fixture(scope="session")
def stack(shared_stacks, server):
    """The shared stack, for tests that leave it whole."""
    return shared_stacks(server)


@pytest.fixture
def directory(new_directory):
    return new_directory()


@pytest.fixture(scope="session")
def chromium(new_directory):
    """Its driver: it starts once, since that takes seconds."""
    if lacking := browsers.missing():
        pytest.skip(f"needs {', '.join(lacking)}")
    driver = browsers.start(new_directory())
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium):
    """A tab of the test's own, in which nothing may go wrong."""
    tab = browsers.Browser(chromium)
    yield tab
    faults = tab.faults()
    tab.close()
    assert faults == []


@pytest.fixture
def tenant(stack):
    return Tenant(stack)


@pytest.fixture
def admin(tenant):
    return tenant.user("company_admin")


@pytest.fixture
def conf(stack, directory):
    """Writes a configuration like the shared stack's with some options changed."""
    def write(**settings):
        return write_conf(directory / "vsay.conf", {
            section: {**stack.settings.get(section, {}), **settings.get(section, {})}
            for section in {**stack.settings, **settings}})
    return write


@pytest.fixture
def new_worker(directory):
    with contextlib.ExitStack() as stack:
        def start(conf, **options):
            worker = Worker(directory, conf, **options)
            stack.callback(worker.stop)
            return worker
        yield start


@pytest.fixture
def row(stack):
    """The only row of a table with that column's value."""
    def read(table, column, value):
        found, = stack.database.query(f"SELECT * FROM {table} WHERE {column} = %s", value)
        return found
    return read


@pytest.fixture
def commands(stack):
    def read(session):
        return stack.database.query("SELECT * FROM commands WHERE session_id = %s ORDER BY seq",
                                    session)
    return read
