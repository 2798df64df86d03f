# SPDX-License-Identifier: MIT
"""vsay-api as a CGI program: a process for each request."""
import subprocess

import fcgi
from reply import from_cgi
from stack import API, ENV, Client


def cgi(conf, path, *arguments, method="GET", by=None, body=None, **env):
    env = {**ENV, "VSAY_CONF": str(conf), "GATEWAY_INTERFACE": "CGI/1.1",
           **fcgi.environment(method, path, by), **env}
    ran = subprocess.run([API, *arguments], env=env, input=body or b"", capture_output=True,
                         timeout=20)
    assert ran.returncode == 0, ran.stderr
    return from_cgi(ran.stdout, *fcgi.asked(env, body))


class CgiClient(Client):
    """Sends its requests that way."""

    def __init__(self, conf):
        self.conf = conf

    def request(self, method, path, by=None, headers=(), body=None, **_):
        env = {f"HTTP_{name.upper().replace('-', '_')}": value
               for name, value in dict(headers).items()}
        if body is not None:
            env["CONTENT_LENGTH"] = str(len(body))
        return cgi(self.conf, path, method=method, by=by, body=body, **env)
