"""Everything a run can be told, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass

from poller.settings import DEFAULT_URL, DEFAULT_USER_AGENT


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
    """Whether that may be done to the Codex CLI's own file, too."""
    demo: int | None = None
    """How many made-up accounts to poll on the embedded upstream; None for real ones."""

    chatgpt_url: str = DEFAULT_URL
    concurrency: int = 8
    """Requests in flight at most."""
    rate: float | None = None
    """Requests started per second at most."""
    timeout_s: float = 15.0
    """One attempt."""
    retries: int = 2
    """Attempts after the first."""
    account_deadline_s: float = 60.0
    """One account, from its first attempt to its record, waits included."""
    deadline_s: float | None = None
    """The whole run."""
    patience_s: float = 40.0
    """How long a dead upstream is waited for before the accounts left are given up."""
    proxy: str | None = None
    """http or https proxy; None means the environment's."""
    ca_file: str | None = None
    """Certificates trusted besides the system's."""
    user_agent: str = DEFAULT_USER_AGENT

    format: str = "auto"
    """``table``, ``jsonl``, or ``auto``: a table on a terminal, JSON Lines elsewhere."""
    ordered: bool = False
    raw_json: bool = False
    raw_headers: bool = False
    show_identity: bool = False
    timezone: str | None = None
    """IANA name for the times in tables; None means local time."""
    fail_under: float | None = None
    """Percent; exit 4 where an account that answered has less left or is blocked."""
    quiet: bool = False
    verbose: int = 0
