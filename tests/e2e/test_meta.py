# SPDX-License-Identifier: MIT
"""What the tables in the code promise, against documents, tests and the build."""
import graphlib
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


def test_the_table_is_found():
    assert len(routes()) >= 7


@pytest.mark.parametrize("methods, pattern", routes())
def test_route(methods, pattern):
    method = {"READ": "GET"}.get(methods, methods.removeprefix("METHOD_"))
    assert f"`{method} {pattern}`" in read("docs/api.md"), \
        f"docs/api.md has no row for {method} {pattern}"
    allowed = {"READ": "GET, HEAD"}.get(methods, method)
    path = pattern.replace(":id", "sess_1")
    tested = ALLOWED.get(path, "")
    assert set(allowed.split(", ")) <= set(tested.split(", ")), \
        f"ALLOWED in test_contract.py needs {path} with {allowed}"


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


def used_by(module):
    """The modules (a .c file and its header) whose headers a module includes. A header without a .c
    file is part of what includes it."""
    used = set()
    for path in (REPO / "src").glob(f"{module}.[ch]"):
        for other in re.findall(r'#include "(\w+/\w+)\.h"', path.read_text()):
            used |= {other} if (REPO / "src" / f"{other}.c").exists() else used_by(other)
    return used - {module}


def test_no_circle_of_includes():
    modules = [f"{path.parent.name}/{path.stem}" for path in (REPO / "src").rglob("*.c")]
    graph = {module: used_by(module) for module in modules}
    graphlib.TopologicalSorter(graph).prepare()  # an error that names the circle


def test_documents_are_wrapped():
    """At 100 columns; a row of a table, and the address of a picture, cannot be."""
    assert [f"{path.name}:{number}" for path in (*REPO.glob("*.md"), *REPO.glob("docs/*.md"))
            for number, line in enumerate(path.read_text().splitlines(), 1)
            if len(line) > 100 and not line.startswith(("|", "!["))] == []
