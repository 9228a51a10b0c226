"""The options of ``[requests]``: how requests are sent."""

from __future__ import annotations

from poller.settings import value_types as kinds
from poller.settings.addresses import DEFAULT_URL, PROXY, TARGET
from poller.settings.options.option import SENDING, Option

REQUESTS = (
    Option(
        "chatgpt_url",
        TARGET,
        "where to send requests; https, or http on loopback",
        default=DEFAULT_URL,
        commands=SENDING,
    ),
    Option(
        "concurrency",
        kinds.whole(1, 10_000),
        "most requests in flight at once",
        default=8,
        local=kinds.whole(1, 10_000),
        commands=SENDING,
    ),
    Option(
        "rate",
        kinds.RATE,
        "most requests to start per second (default: no limit)",
        local=kinds.RATE,
    ),
    Option(
        "timeout",
        kinds.DURATION,
        "time for one attempt; times are written 90 or 90s, 5m, 2h, 7d",
        default=15.0,
        field="timeout_s",
        local=kinds.DURATION,
    ),
    Option(
        "retries",
        kinds.whole(0, 100),
        "attempts after the first",
        default=2,
        local=kinds.whole(0, 5),
    ),
    Option(
        "account_deadline",
        kinds.DURATION,
        "time for one account, from its first attempt, waits included",
        default=60.0,
        field="account_deadline_s",
        local=kinds.DURATION,
    ),
    Option(
        "deadline",
        kinds.DURATION,
        "time for the whole run (default: no limit)",
        field="deadline_s",
        local=kinds.DURATION,
    ),
    Option(
        "patience",
        kinds.DURATION,
        "how long to wait for a dead upstream before giving up on the accounts left",
        default=40.0,
        field="patience_s",
        local=kinds.DURATION,
    ),
    Option(
        "proxy",
        PROXY,
        "http or https proxy (default: the environment's HTTPS_PROXY, ALL_PROXY, NO_PROXY)",
        commands=SENDING,
    ),
    Option(
        "ca_file",
        kinds.FILE,
        "certificates (PEM) to trust besides the system's",
        commands=(*SENDING, "alerts"),
    ),
    Option(
        "user_agent",
        kinds.USER_AGENT,
        "the User-Agent header",
        default="Mozilla/5.0",
        flags=(),
        commands=SENDING,
    ),
)
