"""Everything a run can be told, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from poller.settings.addresses import DEFAULT_URL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poller.settings.alert_tables import Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a run can be told, checked, with its defaults.

    What each is called on the command line and in a file stands in ``options.OPTIONS``.
    """

    accounts: tuple[str, ...] = ()
    """Names, shell-style patterns or paths of auth files; none means all."""
    account_dirs: tuple[str, ...] | None = None
    """Folders of auth files; None means ``account``, or the Codex CLI's own file without one."""
    files_from: str | None = None
    """A file with one path a line, ``-`` for standard input."""
    refresh: bool = False
    """Whether to renew expired logins in place."""
    refresh_codex_home: bool = False
    """Whether to renew the Codex CLI's own file as well."""
    demo: int | None = None
    """How many made-up accounts to poll on the embedded upstream; None for real ones."""
    demo_speed: float = 1.0
    """How fast their time passes."""

    chatgpt_url: str = DEFAULT_URL
    concurrency: int = 8
    """Requests in flight at most."""
    rate: float | None = None
    """Requests started per second at most; None means no limit."""
    timeout_s: float = 15.0
    """One attempt."""
    retries: int = 2
    """Attempts after the first."""
    account_deadline_s: float = 60.0
    """One account, from its first attempt to its record, waits included."""
    deadline_s: float | None = None
    """The whole run; None means no limit."""
    patience_s: float = 40.0
    """How long to wait for a dead upstream before giving up the accounts left."""
    proxy: str | None = None
    """http or https proxy; None means the environment's."""
    ca_file: str | None = None
    """Certificates trusted besides the system's."""
    user_agent: str = "Mozilla/5.0"

    every: float | str = "auto"
    """Seconds between two requests for one account, in a run of many rounds; ``auto`` leaves
    it to a plan."""
    budget: float | None = None
    """Requests an hour that the plan may make; None means 12 for each account."""
    rounds: int | None = None
    """How often a run of many rounds asks each account before it ends; None: for ever."""
    until_change: bool = False
    """Whether it ends when an account can be used, no longer, or fails in another way."""
    no_history: bool = False
    """Whether it records nothing."""
    status_file: str | None = None
    """Where it keeps the line of ``poller status``."""

    format: str = "auto"
    """``table``, ``jsonl``, ``csv``, ``prometheus``, or ``auto``: a table on a terminal, else
    JSON Lines."""
    output: str | None = None
    """The file that results are written to; None means standard output."""
    report_file: str | None = None
    """The file that ``poller report`` writes."""
    color: str = "auto"
    """``auto``, ``always`` or ``never``."""
    language: str = "auto"
    """Of what people read: ``en``, ``zh``, or ``auto``, which follows the locale."""
    extra: bool = False
    """Whether a table has rows for extra limits."""
    ordered: bool = False
    raw_json: bool = False
    raw_headers: bool = False
    show_identity: bool = False
    timezone: str | None = None
    """IANA name for the times in tables; None means local time."""
    machine: str | None = None
    """The machine's name in every record; None leaves it unknown."""
    fail_under: float | None = None
    """Percent; exit 4 where an account that answered has less left or is blocked."""
    need: int | None = None
    """Exit 4 where fewer accounts than this can be used."""
    quiet: bool = False
    verbose: int = 0

    history_file: str | None = None
    """The history's file; None means the user's own."""
    record: bool = False
    """Whether a command that asks once records what came."""
    max_age_s: float | None = None
    """How old an answer may be; None means the command's own."""
    since_s: float | None = None
    """How far to look back; likewise."""
    window: str | None = None
    """The only window that counts; None means all."""
    older_than_s: float | None = None
    """What ended longer ago is removed."""
    codex_sessions: str | None = None
    """The folder of the Codex CLI's session files."""
    sessions_of: str | None = None
    """The account whose they are."""
    evaluate_alerts: bool = False
    """Whether a poll that is recorded evaluates the alerts; watch and serve always do."""
    alerts: tuple[Alert, ...] = ()
    """The rules, of ``[[alert]]`` tables alone."""

    min_remaining: float | None = None
    """Percent that an account has left at least; None means the command's own."""
    for_s: float | None = None
    """For so long an account must not be forecast to run out; None asks nothing."""
    strategy: str = "reset-first"
    """``reset-first`` or ``headroom``."""
    unknown: str | None = None
    """``ok`` or ``fail`` where it cannot be told; None means by what failed."""
    hours: int = 24
    """How far the timeline looks."""
    below: float = 10.0
    """Percent left below which a window is low."""
    weights: Mapping[str, float] | None = None
    """How much an account counts in the pool, by plan; 1 where nothing is said."""

    listen: str = "127.0.0.1:8765"
    """Where to serve: a literal address and a port."""
    allow_hosts: tuple[str, ...] = ()
    """Names that requests may call the server by; lower case."""
    token_file: str | None = None
    """Its content lets a reader in; None lets in everybody who reaches the server."""
    tls_cert: str | None = None
    tls_key: str | None = None
    """PEM files; None means no TLS."""
    plain_http: bool = False
    """Whether to serve other machines without TLS."""

    nats: str | None = None
    """Addresses of NATS servers, separated by commas; None asks from this machine."""
    creds: str | None = None
    """A file that says who to be there."""
    nats_ca: str | None = None
    """Certificates trusted there besides the system's; with it, TLS is required."""
    shared: tuple[str, ...] | None = None
    """``[NAME=]DIR``: folders that are the same on all machines."""
    agents: int | None = None
    """How many agents to wait for; None asks once one is there."""
    agent_name: str | None = None
    """What this machine is called; None means its host name."""
    server_config: tuple[str, ...] = ()
    """Agents that a server's configuration is printed for."""
