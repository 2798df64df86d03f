# SPDX-License-Identifier: MIT
"""What the tables in the code promise, against documents, tests and the build."""
import re

import pytest

from stack import REPO
from test_contract import ALLOWED


def read(*names):
    return "\n".join((REPO / name).read_text() for name in names)


def routes():
    """(methods, pattern) of the route table."""
    table = re.search(r"const struct route routes\[\] = \{(.*?)^\};", read("src/api/route.c"),
                      re.S | re.M)[1]
    return re.findall(r'\.methods = (\w+),\s*\.pattern = "([^"]+)"', table)


# option table, sample, manual
CONFIGURATIONS = [("src/common/settings.c", "conf/vsay.conf", "docs/man/vsay.conf.5"),
                  ("src/machine/options.c", "conf/agent.conf", "docs/man/agent.conf.5")]


def options(table):
    """(section, key) of the option table."""
    return re.findall(r'^\s*\{"(\w+)", "(\w+)", CONF_(?!OBSOLETE|RENAMED)', read(table), re.M)


def test_the_tables_are_found():
    assert len(routes()) >= 7 and [len(options(table)) for table, *_ in CONFIGURATIONS] >= [20, 14]


@pytest.mark.parametrize("methods, pattern", routes())
def test_route(methods, pattern):
    method = {"READ": "GET"}.get(methods, methods.removeprefix("METHOD_"))
    assert f"`{method} {pattern}`" in read("docs/api.md")
    allowed = {"READ": "GET, HEAD"}.get(methods, method)
    tested = ALLOWED.get(pattern.replace(":id", "sess_1"), "")
    assert set(allowed.split(", ")) <= set(tested.split(", "))


@pytest.mark.parametrize("sample, manual, section, key", [
    (sample, manual, *option) for table, sample, manual in CONFIGURATIONS
    for option in options(table)])
def test_option(sample, manual, section, key):
    part = re.search(rf"^\[{section}\]$(.*?)(^\[|\Z)", read(sample), re.S | re.M)
    assert re.search(rf"^[#;]?\s*{key}\s*=", part[1], re.M), "in the sample"
    assert re.search(rf"\b{key}\b", read(manual)), "in the manual"


@pytest.mark.parametrize("table, sample, manual", CONFIGURATIONS)
def test_sample_has_no_other_keys(table, sample, manual):
    section, found = None, set()
    for line in read(sample).splitlines():
        if match := re.fullmatch(r"\[(\w+)\]", line):
            section = match[1]
        elif match := re.match(r"[#;]?(\w+)\s*=", line):
            found.add((section, match[1]))
    assert found == set(options(table))


UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


def limits(text):
    """(least, most) that a manual gives for a number, or for a time in seconds."""
    numbers = re.findall(r"(\d+)(?: (second|minute|hour|day)s?)?", text)
    last = UNITS.get(numbers[-1][1], 1)
    return tuple(int(number) * UNITS.get(unit, last) for number, unit in numbers)


@pytest.mark.parametrize("section, key, least, most, default", re.findall(
    r'\{"(\w+)", "(\w+)", CONF_(?:INT|SECONDS), AT\([\w.]+\), (\d+), (\d+),\s*'
    r'\.fallback = "(\w+)"', read("src/common/settings.c")))
def test_limits_and_defaults(section, key, least, most, default):
    """The manual tells them."""
    said = re.search(rf"^\.It Va {section}\.{key}\n(?:Number|Time) from (.*); default (\w+)\.",
                     read("docs/man/vsay.conf.5"), re.M)
    assert (limits(said[1]), said[2]) == ((int(least), int(most)), default)


def test_every_unit_test_is_built():
    built = re.findall(r"tests/unit/(\w+)", read("Makefile.am"))
    assert {path.stem for path in (REPO / "tests" / "unit").glob("test_*.c")} <= set(built)


def test_every_fuzz_target_is_built_run_and_has_a_corpus():
    makefile = read("Makefile.am")
    for name in [path.stem for path in (REPO / "tests" / "fuzz").glob("fuzz_*.c")]:
        if "LLVMFuzzerTestOneInput(" in read(f"tests/fuzz/{name}.c"):
            target = name.removeprefix("fuzz_")
            assert f"tests/fuzz/{name} " in makefile or f"tests/fuzz/{name}\n" in makefile
            assert re.search(rf"^FUZZ = .*\b{target}\b", makefile, re.M)
            assert list((REPO / "tests" / "fuzz" / "corpus" / target).iterdir())


def test_every_source_is_built():
    makefile = read("Makefile.am")
    assert [str(path.relative_to(REPO)) for path in (REPO / "src").rglob("*.[ch]")
            if str(path.relative_to(REPO)) not in makefile] == []


@pytest.mark.parametrize("include, only", [
    ("fcgiapp.h", "src/api/fcgi.c"), ("jwt.h", "src/common/token.c"),
    ("curl/curl.h", "src/agent/http.c")])
def test_third_party_types_stay_in_one_file(include, only):
    assert [str(path.relative_to(REPO)) for path in (REPO / "src").rglob("*.[ch]")
            if f"#include <{include}>" in path.read_text()] == [only]


def test_layers():
    """api and ctl on store, agent and shell on machine, all on common on base: nobody includes
    upwards."""
    allowed = {"base": {"base"}, "common": {"base", "common"}, "store": {"base", "common", "store"},
               "api": {"base", "common", "store", "api"}, "ctl": {"base", "common", "store", "ctl"},
               "machine": {"base", "common", "machine"},
               "agent": {"base", "common", "machine", "agent"},
               "shell": {"base", "common", "machine", "shell"}}
    for layer, below in allowed.items():
        for path in (REPO / "src" / layer).glob("*.[ch]"):
            for included in re.findall(r'#include "(\w+)/', path.read_text()):
                assert included in below, f"{path} includes {included}/"
