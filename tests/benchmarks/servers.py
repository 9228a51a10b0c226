"""The far side of a benchmark: the simulator and, where installed, nginx; http and https."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.request import urlopen

import trustme

from tests.benchmarks.measuring import environment, server_core

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PATH = "/backend-api/wham/usage"
_STARTED_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Certificates:
    """A made-up authority and a server's certificate for ``localhost`` and 127.0.0.1."""

    ca_file: str
    chain_file: str
    key_file: str


@dataclass(frozen=True, slots=True)
class Server:
    """A server at work."""

    name: str
    url: str
    """Of the usage endpoint: https by the name localhost, http by 127.0.0.1."""
    ca_file: str | None = None

    @property
    def is_tls(self) -> bool:
        return self.ca_file is not None

    @property
    def scheme(self) -> str:
        return "https" if self.is_tls else "http"

    @property
    def named_url(self) -> str:
        """The same place reached by a name: cookies are kept for names only."""
        return self.url.replace("//127.0.0.1:", "//localhost:")

    def forget_counts(self) -> None:
        """Start counting anew, as ``x1`` faults strike an account's first request."""
        if not self.is_tls:
            urlopen(self.url.replace(PATH, "/stats/reset"), timeout=10).read()


def certificates(folder: Path) -> Certificates:
    """Make up an authority, and a certificate signed by it."""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    own = Certificates(*(str(folder / name) for name in ("ca.pem", "cert.pem", "key.pem")))
    authority.cert_pem.write_to_path(own.ca_file)
    leaf.cert_chain_pems[0].write_to_path(own.chain_file)
    leaf.private_key_pem.write_to_path(own.key_file)
    return own


@contextmanager
def simulator(*, tls: Certificates | None = None, latency: str | None = None) -> Iterator[Server]:
    """Run the project's simulator on a core of its own."""
    command = [sys.executable, "-m", "poller.simulator", "--port", "0", "--lean"]
    if tls is not None:
        command += ["--host", "localhost", "--cert", tls.chain_file, "--key", tls.key_file]
    if latency is not None:
        command += ["--latency", latency]
    with _running(command) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        yield Server("simulator", url, None if tls is None else tls.ca_file)


@contextmanager
def nginx(folder: Path, *, tls: Certificates | None = None) -> Iterator[Server | None]:
    """Run nginx, which answers with the account id it was asked for; None without it."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        yield None
        return
    port = _free_port()
    folder = folder / f"nginx-{port}"
    folder.mkdir()
    configuration = folder / "nginx.conf"
    configuration.write_text(_configuration(folder, port, tls), encoding="ascii")
    with _running([program, "-p", str(folder), "-c", str(configuration), "-e", "stderr"]):
        _await_listening(port)
        origin = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
        yield Server("nginx", origin + PATH, None if tls is None else tls.ca_file)


@contextmanager
def _running(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    pinned = ["taskset", "-c", server_core()] if server_core() and shutil.which("taskset") else []
    with subprocess.Popen(
        [*pinned, *command],
        env=environment(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=_STARTED_WITHIN_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_listening(port: int) -> None:
    until = time.monotonic() + _STARTED_WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


_CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
{user}
events {{ worker_connections 2048; }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  keepalive_requests 1000000;
  keepalive_timeout 600;
  large_client_header_buffers 4 16k;
  gzip on; gzip_types application/json; gzip_min_length 256; gzip_vary on;
  server {{
    listen 127.0.0.1:{port} {tls};
    location / {{
      default_type application/json;
      add_header CF-RAY 1f2e3d4c5b6a7988-AMS;
      add_header Set-Cookie "__cf_bm={noise}$request_id; path=/; expires={expires}; SameSite=None";
      add_header Set-Cookie "_cfuvid=$request_id; path=/; HttpOnly; SameSite=None";
      add_header CF-Cache-Status DYNAMIC;
      add_header Strict-Transport-Security "max-age=31536000; includeSubDomains; preload";
      add_header X-Content-Type-Options nosniff;
      add_header cross-origin-opener-policy same-origin-allow-popups;
      add_header referrer-policy strict-origin-when-cross-origin;
      add_header alt-svc 'h3=":443"; ma=86400';
      return 200 '{body}';
    }}
  }}
}}
"""
_BODY = (
    '{"account_id":"$http_chatgpt_account_id","plan_type":"plus",'
    '"rate_limit":{"allowed":true,"limit_reached":false,'
    '"primary_window":{"used_percent":42,"limit_window_seconds":18000,'
    '"reset_after_seconds":3600,"reset_at":RESET},'
    '"secondary_window":{"used_percent":5,"limit_window_seconds":604800,'
    '"reset_after_seconds":86400,"reset_at":RESET}},'
    '"code_review_rate_limit":null,"additional_rate_limits":null,'
    '"credits":{"has_credits":false,"unlimited":false,"overage_limit_reached":false,'
    '"balance":"0"},"spend_control":{"reached":false,"individual_limit":null},'
    '"rate_limit_reached_type":null,"rate_limit_reset_credits":{"available_count":0}}'
)


def _configuration(folder: Path, port: int, tls: Certificates | None) -> str:
    keys = ""
    if tls is not None:
        keys = f"ssl; ssl_certificate {tls.chain_file}; ssl_certificate_key {tls.key_file}"
    return _CONFIGURATION.format(
        folder=folder,
        port=port,
        noise="0" * 140,
        expires=time.strftime("%a, %d-%b-%y %H:%M:%S GMT", time.gmtime(time.time() + 1800)),
        user="user root;" if os.geteuid() == 0 else "",
        tls=keys,
        body=_BODY.replace("RESET", str(int(time.time()) + 3600)),
    )
