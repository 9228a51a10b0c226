"""The options of ``[agent]``: many machines over NATS."""

from __future__ import annotations

from poller.settings import value_types as kinds
from poller.settings.addresses import NATS
from poller.settings.options.option import CONNECTED, POLLING, Option

AGENT = (
    Option(
        "nats",
        NATS,
        "the NATS server where agents and collectors meet: nats://HOST[:PORT] or"
        " tls://HOST[:PORT]; a cluster's are separated by commas; none: ask on this machine",
        commands=CONNECTED,
    ),
    Option(
        "creds",
        kinds.PATH,
        "the login for it: a .creds file, an nkey seed or user:password; only you may read FILE",
        commands=CONNECTED,
    ),
    Option(
        "nats_ca",
        kinds.FILE,
        "certificates (PEM) to trust for it besides the system's; TLS is then required",
        commands=CONNECTED,
    ),
    Option(
        "shared",
        kinds.SHARED,
        "a folder that is the same on all machines, [NAME=]DIR: any agent that has it may take"
        " its accounts",
        commands=CONNECTED,
    ),
    Option(
        "agents",
        kinds.whole(1, 10_000),
        "wait until N agents are there (default: start with the first)",
        commands=POLLING,
    ),
    Option(
        "name",
        kinds.PART,
        "what this machine is called (default: its host name)",
        field="agent_name",
        commands=("agent",),
    ),
    Option(
        "server_config",
        kinds.PARTS,
        "print a configuration for the NATS server, with rights for the collector and the"
        " agents NAME",
        default=(),
        commands=("agent",),
    ),
)
