# SPDX-License-Identifier: MIT
"""vsay-agent takes JSON as RFC 8259 says: in answers, in its spool, and from vsay-shells."""
import json

import pytest

from agent_fixtures import agent, new_agent, new_server, new_shell, server  # noqa: F401
from stack import wait_for


@pytest.mark.parametrize("page", [
    '{"terminate": [], "interval": 1,}', "{'terminate': [], 'interval': 1}",
    '{"terminate": [], "interval": 01}', '{"terminate": [], "interval": 1} x',
    '{"terminate": [], "interval": NaN}', '{"terminate": [], "interval": 1, "x": "\t"}'])
def test_answers_to_the_agent(agent, server, page):
    server.wait_for_heartbeat()
    server.page = page
    wait_for(lambda: "not a JSON object" in agent.log())
    server.page = None
    wait_for(lambda: "event=server_up" in agent.log(), 60)


@pytest.mark.parametrize("value", [b"-01", b"NaN", b"'a'", b'"\t"', b"1.", b"[1,]", b"/**/1"])
def test_packets_and_the_spool(new_agent, new_shell, server, value):
    agent = new_agent(server.url).start()
    shell = new_shell(agent)
    shell.write("connect")
    line = json.dumps(shell.opening()).encode()[:-1] + b', "x": ' + value + b"}"
    shell.popen.stdin.write(line + b"\n")
    shell.popen.stdin.flush()
    assert (shell.receive() or {"type": None})["type"] != "opened"
    agent.stop()
    spool = next(path for path in agent.state.iterdir() if path.read_bytes()[:16] == b'{"type":"spool",')
    with open(spool, "ab") as file:
        file.write(b'{"type":"end","session_id":"sess_1","reason":"exited","x":' + value + b"}\n")
    agent.start()
    wait_for(lambda: "is damaged at byte" in agent.log())
    assert not server.ends("sess_1")
