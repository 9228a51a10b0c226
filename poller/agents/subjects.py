"""The names that a collector and its agents meet under on a NATS server.

Everything an agent may do hangs on them: `poller.agents.server_config` turns them into
rights. The name of an agent stands in the subject, where the server checks it.
"""

from __future__ import annotations

import re

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What an agent may be called: a part of a subject, and of a consumer's name."""
COLLECTOR = "collector"
CALL = "poller.call"
"""From a collector to all agents: who is there, and when a run is over."""
PRESENCE = "poller.presence"
"""From an agent to whoever collects; its name behind it."""
WELCOME = "poller.welcome"
"""From a collector to one agent: what there is to take, and what time it is."""
OWN, SHARED, RECORDS = "POLLER_OWN", "POLLER_SHARED", "POLLER_RECORDS"
"""Streams: jobs for one agent, jobs for all that have a folder, what agents answer."""
OWN_JOBS, SHARED_JOBS, RECORD = "poller.own", "poller.shared", "poller.records"
"""Their subjects: agent and run, folder and run, agent."""


def presence(name: str) -> str:
    """Return where an agent tells that it is there."""
    return f"{PRESENCE}.{name}"


def welcome(name: str) -> str:
    """Return where an agent is welcomed."""
    return f"{WELCOME}.{name}"


def records(name: str) -> str:
    """Return where an agent's answers go."""
    return f"{RECORD}.{name}"


def jobs(name: str, run: str, *, is_shared: bool) -> str:
    """Return where the jobs for an agent's own accounts, or for a shared folder, go."""
    return f"{SHARED_JOBS if is_shared else OWN_JOBS}.{name}.{run}"


def place(name: str, *, is_shared: bool) -> tuple[str, str]:
    """Return the stream and the consumer that these jobs are pulled from."""
    return (SHARED, f"shared-{name}") if is_shared else (OWN, f"own-{name}")


def inbox(name: str) -> str:
    """Return what every inbox of one user begins with."""
    return f"_INBOX_{name}"


def pull(stream: str, consumer: str) -> str:
    """Return where the next message of a consumer is asked for."""
    return f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"


def acknowledge(stream: str, consumer: str) -> str:
    """Return what every acknowledgement of a consumer's messages matches."""
    return f"$JS.ACK.{stream}.{consumer}.>"


def last_part(subject: str) -> str:
    """Return the last part of a subject: the agent, where an agent sent it."""
    return subject.rpartition(".")[2]
