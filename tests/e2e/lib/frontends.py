# SPDX-License-Identifier: MIT
"""Web servers in front of vsay, each as a file of conf/ or nginx/ sets it up.

The files are used as they are shipped, but for addresses and paths. The servers run under an account
without rights: when root runs the tests, under another one.
"""
import contextlib
import fcntl
import functools
import io
import os
import pwd
import re
import shutil
import tarfile
from pathlib import Path

import pytest

import openapi
from stack import API, BUILD, ENV, REPO, SITE, Client, Process, check_log, free_port, run, start_nginx, start_pool, \
    wait_for, write_conf

APACHE = Path("/usr/lib/apache2/modules")
MODULES_CONF = Path("/etc/apache2/mods-available")
DEBIAN_MODULES = ("mpm_event authz_core authz_host authz_user authn_core access_compat alias autoindex "
                  "deflate dir env filter mime negotiation reqtimeout status").split()  # on without a2enmod


def account():
    """Options of Popen for a process that may not run as root."""
    if os.getuid() != 0:
        return {}
    names = {user.pw_name for user in pwd.getpwall()}
    user = pwd.getpwnam("www-data" if "www-data" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def give_away(directory):
    options = account()
    for path in [directory, *directory.rglob("*")] if options else []:
        os.chown(path, options["user"], options["group"], follow_symlinks=False)


class Front(Client):
    """vsay behind a web server, with secrets and workers of its own, on another stack's database.
    `site` is the file that is shipped; lines that match `without` are left out."""

    waits = True    # whether requests may wait: long polls, Prefer: wait
    has_files = True  # serves the contract
    decodes = True  # %2F in a path comes through
    normalises = True  # .. and // in a path are resolved
    body_max = 5 * 2**20
    long_head = 400  # what becomes of one of more than 64 KiB
    slow, patience = 24, 30  # clients that are slow at a time, more than any worker has threads; and the
                             # seconds in which others are served meanwhile

    def __init__(self, directory, base, without=None, **settings):
        self.dir, self.database, self.keys, self.without = directory, base.database, base.keys, without
        self.socket, self.conf = directory / "api.sock", directory / "vsay.conf"
        self.log = directory / "api.log"
        self.port, self.parts = free_port(), contextlib.ExitStack()
        shutil.copy(API, directory)
        shutil.copy(openapi.PATH, directory)
        shutil.copytree(SITE, directory / "web")
        self.write_conf(base, settings)
        self.prepare()
        give_away(directory)
        try:
            for self.server in self.start():
                self.parts.callback(self.server.stop)
            wait_for(self.serves, 60, self.site)
        except BaseException:
            self.parts.close()
            raise

    def write_conf(self, base, changes):
        settings = {section: {**options, **changes.get(section, {})}
                    for section, options in base.settings.items()}
        secrets = [*base.keys.files.values(), base.settings["db"]["password_file"]]
        for path in secrets:
            shutil.copy(path, self.dir)
        settings["auth"]["keys"] = re.sub(r":[^: ]*/", f":{self.dir}/", base.keys.specs())
        settings["db"]["password_file"] = self.dir / secrets[-1].name
        settings["api"].update(prefix=self.prefix, deadline=f"{self.patience}s")
        write_conf(self.conf, settings)

    def prepare(self):
        """What must be there before the server starts."""

    def shipped(self, site=None):
        """The site's text, or another's, for this place."""
        text = (REPO / (site or self.site)).read_text()
        for old, new in (("/run/vsay/vsay.sock", self.socket), ("/etc/vsay/vsay.conf", self.conf),
                         ("/usr/local/bin/vsay-api", self.dir / "vsay-api"),
                         ("/usr/local/share/vsay", self.dir), ("listen 80;", f"listen 127.0.0.1:{self.port};"),
                         ("bind :80", f"bind 127.0.0.1:{self.port}"),
                         ("*:80>", f"*:{self.port}>"), (r"vsay\.example\.com", r"127\.0\.0\.1")):
            text = text.replace(old, str(new))
        return "".join(line for line in text.splitlines(keepends=True)
                       if not (self.without and self.without in line))

    def pool(self, *address):
        self.workers_of_pool = start_pool(
            self.log, self.conf, 2, *(address or ("-s", self.socket)), **account())
        return self.workers_of_pool

    def serves(self):
        with contextlib.suppress(ConnectionError):
            return self.get("/health").status == 200

    def workers(self):
        """The ids of its processes of vsay-api."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/exe").endswith("/vsay-api"):
                    told = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("environ", "cmdline")]
                    if f"{self.dir}/".encode() in b"".join(told):
                        found.append(int(pid))
        return found

    def close(self):
        self.parts.close()
        check_log(self.log)


# --- nginx


class Nginx(Front):
    """In an http block whose settings would replace vsay's errors with pages of its own."""

    site = "nginx/vsay.conf"
    surroundings = "fastcgi_intercept_errors on; error_page 401 403 404 500 503 /page.html;"

    def start(self):
        return [self.pool(), start_nginx(self.dir, self.surroundings + self.shipped())]


class NginxTcp(Nginx):
    def start(self):
        port = free_port()
        site = self.shipped().replace(f"unix:{self.socket}", f"127.0.0.1:{port}")
        return [self.pool("-a", "127.0.0.1", "-p", port),
                start_nginx(self.dir, self.surroundings + site)]


class NginxPrefix(Nginx):
    site, prefix = "nginx/vsay-prefix.conf", "/vsay"

    def shipped(self):
        text = super().shipped()
        beside = "\n".join(re.findall(r"^#   (.*)$", text, re.M))
        return f"{beside}\nserver {{ listen 127.0.0.1:{self.port};\n{text} }}\n"


class NginxCloses(Nginx):
    """A connection for each request."""

    def shipped(self):
        return super().shipped().replace("fastcgi_keep_conn on;", "fastcgi_keep_conn off;")


# --- Apache


class Apache(Front):
    """With the modules that Debian has on, and those that the site's `a2enmod` names."""

    modules = surroundings = ""
    tells_lengths = False
    long_head = 503

    def prepare(self):
        (self.dir / "socks").mkdir()

    def shipped(self):
        text = super().shipped()
        self.modules = re.search(r"^#   a2enmod (.*)$", text, re.M)[1]
        return text

    def start(self):
        site = self.shipped()
        names = [*DEBIAN_MODULES, *(["proxy"] if "proxy" in self.modules else []),
                 *self.modules.split()]
        conf = self.dir / "apache.conf"
        conf.write_text(
            f"ServerRoot {self.dir}\nServerName localhost\nListen 127.0.0.1:{self.port}\n"
            f"PidFile {self.dir}/apache.pid\nErrorLog {self.dir}/error.log\n"
            + "".join(f"LoadModule {name}_module {APACHE}/mod_{name}.so\n" for name in names)
            + "".join(f"IncludeOptional {MODULES_CONF}/{name}.conf\n" for name in names)
            + "<Directory />\nAllowOverride None\nRequire all denied\n</Directory>\n"
            + self.surroundings + site)
        return [*self.before(), Process(
            self.dir / "apache.log", "apache2", "-DFOREGROUND", "-f", conf,
            env={"APACHE_RUN_DIR": self.dir, "APACHE_LOG_DIR": self.dir}, **account())]

    def before(self):
        return []


class ApacheProxy(Apache):
    """In a server whose settings would replace vsay's errors with pages of its own."""

    site = "conf/apache/proxy-fcgi.conf"
    surroundings = "ProxyErrorOverride On\n"

    def before(self):
        return [self.pool()]


class ApacheProxyVariant(ApacheProxy):
    """Over TCP and under a prefix, as the site's comments say."""

    prefix = "/vsay"

    def before(self):
        return [self.pool("-a", "127.0.0.1", "-p", self.backend)]

    def shipped(self):
        self.backend = free_port()
        site = re.sub(r'"(\^?)/(?=api/|static/|\(\(?api)', r'"\1/vsay/', super().shipped())
        return site.replace(f"ProxyPass / unix:{self.socket}|fcgi://vsay/ enablereuse=on",
                            f"ProxyPass /vsay/ fcgi://127.0.0.1:{self.backend}/vsay/")


class ApacheHandler(ApacheProxy):
    site = "conf/apache/sethandler.conf"


class ApacheCloses(ApacheProxy):
    """A connection for each request."""

    def shipped(self):
        return super().shipped().replace("enablereuse=on", "")


class ApacheHandlerCloses(ApacheHandler, ApacheCloses):
    pass


class ApacheStarts(Apache):
    """Apache starts vsay-api, whose log is then Apache's: a process for each request, or for each at
    a time, that shares no query with others."""

    slow, patience = 6, 40

    def prepare(self):
        super().prepare()
        self.log = self.dir / "error.log"


class ApacheFcgid(ApacheStarts):
    site, tells_lengths = "conf/apache/fcgid.conf", True
    long_head = 500


class ApacheCgi(ApacheStarts):
    site, waits = "conf/apache/cgi.conf", False
    long_head = 200


# --- shared hosting


@functools.cache
def kit_archive():
    """Its bytes: other processes of the tests make it too, in the same place."""
    with open(BUILD / "kit.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = run("make", "-C", BUILD, "shared-hosting-kit", timeout=120)
        assert made.returncode == 0, made.stderr
        archive, = BUILD.glob("vsay-*-shared-hosting.tar.gz")
        return archive.read_bytes()


def unpack_kit(directory):
    """The kit's own directory in that one."""
    with tarfile.open(fileobj=io.BytesIO(kit_archive())) as tar:
        tar.extractall(directory)
    kit, = directory.glob("vsay-*-shared-hosting")
    return kit


class KitCgi(ApacheStarts):
    """The kit, unpacked as its page says, where the host allows no more than .htaccess."""

    site, modules = "conf/shared-hosting/cgi.htaccess", "cgid headers rewrite"
    web, script = "web-cgi", "cgi-bin/vsay.cgi"
    waits = decodes = False
    long_head = 200

    def prepare(self):
        super().prepare()
        kit = unpack_kit(self.dir)
        (kit / "vsay").rename(self.dir / "vsay")
        (kit / self.web).rename(self.dir / "public_html")
        script = self.dir / "public_html" / self.script
        script.write_text(script.read_text().replace("/home/USER", str(self.dir)))
        shutil.copy(self.conf, self.dir / "vsay")
        (self.dir / "vsay-api").unlink()

    def write_conf(self, base, changes):
        changes = {**changes, "db": {"host": f"127.0.0.1:{base.tcp_port}"}}
        super().write_conf(base, changes)

    def shipped(self):
        page = self.dir / "public_html" / ".htaccess"
        if self.without:
            page.write_text("".join(line for line in page.read_text().splitlines(keepends=True)
                                    if self.without not in line))
        root = self.dir / "public_html"
        return (f"<VirtualHost *:{self.port}>\nDocumentRoot {root}\n<Directory {root}>\n"
                "AllowOverride All\nOptions FollowSymLinks\nRequire all granted\n</Directory>\n"
                "</VirtualHost>\n")


class KitFcgi(KitCgi):
    site, modules = "conf/shared-hosting/fcgi.htaccess", "fcgid headers rewrite"
    web, script = "web-fcgi", "vsay.fcgi"
    long_head = 500
    waits = tells_lengths = True
    # mod_fcgid's defaults, which .htaccess cannot change: small bodies, and few new processes a second
    body_max = 128 * 2**10


# --- lighttpd


class Lighttpd(Front):
    long_head = 431

    def start(self):
        conf = self.dir / "lighttpd.conf"
        (self.dir / "www").mkdir()
        conf.write_text(
            f'server.port = {self.port}\nserver.bind = "127.0.0.1"\n'
            f'server.document-root = "{self.dir}/www"\nserver.upload-dirs = ( "{self.dir}" )\n'
            f'server.errorlog = "{self.dir}/error.log"\nserver.breakagelog = "{self.dir}/breakage.log"\n'
            + self.shipped())
        return [*self.before(), Process(self.dir / "lighttpd.log", "lighttpd", "-D", "-f", conf,
                                        **account())]

    def before(self):
        return []


class LighttpdFastcgi(Lighttpd):
    site = "conf/lighttpd/fastcgi.conf"

    def before(self):
        return [self.pool()]


class LighttpdFastcgiVariant(LighttpdFastcgi):
    """Over TCP and under a prefix, as the file's comments say."""

    prefix = "/vsay"

    def before(self):
        return [self.pool("-a", "127.0.0.1", "-p", self.backend)]

    def shipped(self):
        self.backend = free_port()
        return re.sub(r'"(\^?)/(?="|api/|\(\(api)', r'"\1/vsay/', super().shipped()).replace(
            f'"socket" => "{self.socket}"', f'"host" => "127.0.0.1", "port" => {self.backend}')


class LighttpdCgi(Lighttpd):
    site, waits = "conf/lighttpd/cgi.conf", False
    slow, patience = 6, 40

    def prepare(self):
        self.log = self.dir / "breakage.log"


# --- HAProxy


class HAProxy(Front):
    """Below the defaults that Debian's haproxy.cfg has, whose error pages are HTML."""

    site = "conf/haproxy/vsay.cfg"
    normalises = has_files = False
    surroundings = """defaults
    timeout connect 5000
    timeout client 50000
    timeout server 50000
""" + "".join(f"    errorfile {status} /etc/haproxy/errors/{status}.http\n"
              for status in (400, 403, 408, 500, 502, 503, 504))

    def start(self):
        conf = self.dir / "haproxy.cfg"
        conf.write_text(self.surroundings + self.shipped())
        return [self.pool(), Process(self.dir / "haproxy.log", "haproxy", "-db", "-f", conf,
                                     **account())]


class HAProxyVariant(HAProxy):
    """With a web server for the files, as the file's comments say."""

    has_files = True

    def start(self):
        self.pages, nginx = free_port(), self.dir / "pages"
        nginx.mkdir()
        site = Front.shipped(self, Nginx.site).replace(f"listen 127.0.0.1:{self.port};", f"listen 127.0.0.1:{self.pages};")
        return [start_nginx(nginx, site), *super().start()]

    def shipped(self):
        text = super().shipped()
        rule = re.search("^#   (use_backend .*)", text, re.M)[1]
        return text.replace("    use-fcgi-app vsay\n", f"    {rule}\n    use-fcgi-app vsay\n") + (
            f"\nbackend files\n    mode http\n    server files 127.0.0.1:{self.pages}\n")


FRONTS = {
    "nginx-unix": Nginx, "nginx-tcp": NginxTcp, "nginx-prefix": NginxPrefix, "nginx-closes": NginxCloses,
    "apache-proxy": ApacheProxy, "apache-sethandler": ApacheHandler, "apache-closes": ApacheCloses,
    "apache-sethandler-closes": ApacheHandlerCloses, "apache-fcgid": ApacheFcgid,
    "apache-cgi": ApacheCgi, "kit-cgi": KitCgi, "kit-fcgi": KitFcgi,
    "lighttpd-fastcgi": LighttpdFastcgi, "lighttpd-cgi": LighttpdCgi, "haproxy": HAProxy}


def missing(front):
    """What this machine lacks to run it."""
    if issubclass(front, Apache):
        needs = [APACHE / "mod_fcgid.so"] if "fcgi" in front.site and "proxy" not in front.site else []
        return [path for path in needs if not path.exists()] or (
            [] if shutil.which("apache2") else ["apache2"])
    program = {Lighttpd: "lighttpd", HAProxy: "haproxy"}
    return [name for kind, name in program.items()
            if issubclass(front, kind) and not shutil.which(name, path=ENV["PATH"])]


@contextlib.contextmanager
def serving(front, base, new_directory, **options):
    """One that serves during the block; skips the test where the web server is not installed."""
    if lacks := missing(front):
        pytest.skip(f"there is no {lacks[0]} here")
    with contextlib.closing(front(new_directory(), base, **options)) as stack:
        yield stack
