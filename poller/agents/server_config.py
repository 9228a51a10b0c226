"""A configuration for the NATS server: TLS, and each user with no more rights than it needs."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from poller.agents import subjects
from poller.agents.link import NATS_IS_MISSING
from poller.settings import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEAD = """\
# A NATS server for poller's agents. Put it where the server looks for it, for its user alone
# to read, and copy each seed into a file of mode 0600 on its machine (--creds FILE); then take
# the seeds out of this file: the server needs none of them.
#
{seeds}

listen: "0.0.0.0:4222"

tls {{
  # Of this server, and its key; poller trusts the authority with --nats-ca FILE.
  cert_file: "/etc/nats/server.pem"
  key_file: "/etc/nats/server-key.pem"
}}

jetstream {{
  store_dir: "/var/lib/nats"
  max_memory_store: 64MB
  max_file_store: 1GB
}}

authorization {{
  users: [
{users}
  ]
}}
"""
_USER = """\
    # {name}
    {{
      nkey: "{key}"
      permissions: {{
        publish: {{ allow: [
{publish}
        ] }}
        subscribe: {{ allow: [
{subscribe}
        ] }}
      }}
    }}"""


def server_config(agents: Iterable[str]) -> str:
    """Return the configuration for a collector and these agents, with new keys for all.

    Raises:
        UsageError: nkeys is not installed, or an agent would be taken for the collector.
    """
    seeds: list[str] = []
    users: list[str] = []
    for name in (subjects.COLLECTOR, *agents):
        if users and name == subjects.COLLECTOR:
            raise UsageError(
                "--server-config: the collector has this name: give the agent another one"
            )
        key, seed = _new_key()
        seeds.append(f"#   {name}: {seed}")
        rights = _of_collector() if not users else _of_agent(name)
        users.append(
            _USER.format(name=name, key=key, publish=_lines(rights[0]), subscribe=_lines(rights[1]))
        )
    return _HEAD.format(seeds="\n".join(seeds), users="\n".join(users))


def _of_collector() -> tuple[list[str], list[str]]:
    publish = [
        subjects.CALL,
        subjects.welcome("*"),
        subjects.jobs("*", "*", is_shared=False),
        subjects.jobs("*", "*", is_shared=True),
        "$JS.API.INFO",
        "$JS.API.STREAM.*.*",
        "$JS.API.CONSUMER.CREATE.>",
        "$JS.API.CONSUMER.DURABLE.CREATE.*.*",
        "$JS.API.CONSUMER.INFO.*.*",
        "$JS.API.CONSUMER.DELETE.*.*",
    ]
    return publish, [subjects.presence("*"), f"{subjects.inbox(subjects.COLLECTOR)}.>"]


def _of_agent(name: str) -> tuple[list[str], list[str]]:
    own = subjects.place(name, is_shared=False)
    publish = [
        subjects.presence(name),
        subjects.records(name),
        subjects.pull(*own),
        subjects.acknowledge(*own),
        subjects.pull(subjects.SHARED, "*"),
        subjects.acknowledge(subjects.SHARED, "*"),
    ]
    subscribe = [
        subjects.CALL,
        subjects.welcome(name),
        subjects.presence(name),
        f"{subjects.inbox(name)}.>",
    ]
    return publish, subscribe


def _lines(allowed: list[str]) -> str:
    return "\n".join(f'          "{subject}"' for subject in allowed)


def _new_key() -> tuple[str, str]:
    """Return the public key and the seed of a new user."""
    try:
        nkeys: Any = import_module("nkeys")
    except ImportError:
        raise UsageError(NATS_IS_MISSING) from None
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    pair = nkeys.from_seed(bytearray(seed))
    return pair.public_key.decode(), bytes(seed).decode()
