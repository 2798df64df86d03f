# SPDX-License-Identifier: MIT
"""A reply, however it came."""
import http
import http.client
import io
import json
from dataclasses import InitVar, dataclass

import openapi


def _unique(pairs):
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), f"a member occurs twice: {names}"
    return dict(pairs)


@dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    request: InitVar[tuple] = ()  # (method, path, body), as far as they are known

    def __post_init__(self, request):
        openapi.note(self, *request)

    def json(self):
        """The body; its dictionaries keep the order of the members."""
        return json.loads(self.body, object_pairs_hook=_unique)

    @property
    def error(self):
        return self.json()["error"]


def from_cgi(output, *request):
    """The reply in a CGI program's output (RFC 3875 section 6)."""
    stream = io.BytesIO(output)
    headers = http.client.parse_headers(stream)
    status, _, reason = headers.get("Status", "200 OK").partition(" ")
    phrase = http.HTTPStatus(int(status)).phrase if status != "413" else "Content Too Large"
    assert reason == phrase
    assert "X-Request-Id" in headers, "vsay's own"
    return Reply(int(status), headers, stream.read(), request)
