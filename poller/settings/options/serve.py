"""The options of ``[serve]``: the server of page, API and metrics."""

from __future__ import annotations

from poller.settings import value_types as kinds
from poller.settings.addresses import LISTEN
from poller.settings.options.option import Option

SERVE = (
    Option(
        "listen",
        LISTEN,
        "address to serve at; any but loopback needs --token-file, and TLS or --plain-http",
        default="127.0.0.1:8765",
        commands=("serve",),
    ),
    Option(
        "allow_host",
        kinds.HOSTS,
        "another host name that clients reach this server by, may be repeated",
        field="allow_hosts",
        default=(),
        commands=("serve",),
    ),
    Option(
        "token_file",
        kinds.PATH,
        "let in only clients that know the token in FILE: 32 characters or more",
        commands=("serve",),
    ),
    Option("tls_cert", kinds.PATH, "serve TLS with this certificate (PEM)", commands=("serve",)),
    Option("tls_key", kinds.PATH, "its key (PEM)", commands=("serve",)),
    Option(
        "plain_http",
        kinds.SWITCH,
        "serve other machines without TLS, behind a proxy that speaks it",
        default=False,
        commands=("serve",),
    ),
)
