"""The one table of options.

The command line, its help, the configuration file's reader and the check that
``config.example.toml`` is complete all derive from ``OPTIONS``: a new option is one
entry here and one field of ``Settings``.
"""

from __future__ import annotations

from poller.settings import DEFAULT_URL, DEFAULT_USER_AGENT
from poller.settings import value_types as kinds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from poller.settings.value_types import ValueType


class Option:
    """One option: its key in the file, its flag, what it takes and what it is for.

    A plain class, as ``ValueType``.
    """

    __slots__ = ("default", "field", "flags", "guarded", "help", "key", "kind")

    def __init__(  # noqa: PLR0913 - as many as the table has columns
        self,
        key: str,
        kind: ValueType,
        what: str,
        *,
        default: object = None,
        field: str = "",
        flags: tuple[str, ...] | None = None,
        guarded: str = "",
    ) -> None:
        self.key = key
        self.kind = kind
        self.help = what
        self.default = default
        self.field = field or key
        """Of ``Settings``."""
        self.flags = (f"--{key.replace('_', '-')}",) if flags is None else flags
        """The long one last; none for a bare argument, and for what only a file can set."""
        self.guarded = guarded
        """Why a file of unknown origin may not set it; empty where it may."""

    @property
    def place(self) -> str:
        """What a message calls it where it came from the command line."""
        return self.flags[-1] if self.flags else self.kind.metavar


_WHERE_TOKENS_GO = "it decides where your tokens go"
_SPENDS_TOKENS = "it spends refresh tokens and rewrites auth files"

OPTIONS = {
    "accounts": (
        Option(
            "names",
            kinds.NAMES,
            "names (alice for account/alice.auth.json), patterns ('team-*') or paths of auth files"
            " (default: all)",
            default=(),
            field="accounts",
            flags=(),
        ),
        Option(
            "account_dir",
            kinds.FOLDERS,
            "folder of auth files, may be repeated (default: account; where there is none, the"
            " Codex CLI's own login)",
            field="account_dirs",
        ),
        Option(
            "files_from",
            kinds.PATH,
            "poll the auth files whose paths stand in FILE, one a line; - is standard input",
        ),
        Option(
            "refresh",
            kinds.SWITCH,
            "renew logins whose token has expired, in their files; a refresh token works once: one"
            " login, one file",
            default=False,
            guarded=_SPENDS_TOKENS,
        ),
        Option(
            "refresh_codex_home",
            kinds.SWITCH,
            "with --refresh: the Codex CLI's own file, too; only while no codex is running",
            default=False,
            guarded=_SPENDS_TOKENS,
        ),
        Option(
            "demo",
            kinds.MADE_UP,
            "poll N made-up accounts (12) on an embedded upstream: no network, no login needed",
        ),
    ),
    "requests": (
        Option(
            "chatgpt_url",
            kinds.TARGET,
            "where to ask; https, or http on a loopback address",
            default=DEFAULT_URL,
            guarded=_WHERE_TOKENS_GO,
        ),
        Option("concurrency", kinds.whole(1, 10_000), "requests in flight at most", default=8),
        Option("rate", kinds.RATE, "requests started per second at most (default: no limit)"),
        Option(
            "timeout",
            kinds.SECONDS,
            "seconds for one attempt",
            default=15.0,
            field="timeout_s",
        ),
        Option("retries", kinds.whole(0, 100), "attempts after the first", default=2),
        Option(
            "account_deadline",
            kinds.SECONDS,
            "seconds for one account, from its first attempt, waits included",
            default=60.0,
            field="account_deadline_s",
        ),
        Option(
            "deadline",
            kinds.SECONDS,
            "seconds for the whole run (default: no limit)",
            field="deadline_s",
        ),
        Option(
            "patience",
            kinds.SECONDS,
            "seconds to wait for a dead upstream before the accounts left are given up",
            default=40.0,
            field="patience_s",
        ),
        Option(
            "proxy",
            kinds.PROXY,
            "http or https proxy (default: the environment's HTTPS_PROXY, ALL_PROXY, NO_PROXY)",
            guarded=_WHERE_TOKENS_GO,
        ),
        Option(
            "ca_file",
            kinds.FILE,
            "certificates (PEM) to trust besides the system's",
            guarded=_WHERE_TOKENS_GO,
        ),
        Option(
            "user_agent",
            kinds.AGENT,
            "the User-Agent header",
            default=DEFAULT_USER_AGENT,
            flags=(),
        ),
    ),
    "output": (
        Option(
            "format",
            kinds.choice("auto", "table", "jsonl"),
            "table, jsonl or auto: a table on a terminal, JSON Lines into a pipe or file; watch,"
            " less and cron want --format table",
            default="auto",
        ),
        Option(
            "ordered",
            kinds.SWITCH,
            "records in the order of the accounts, not as they come",
            default=False,
        ),
        Option(
            "raw_json",
            kinds.SWITCH,
            "put the answer's JSON into each record, tokens masked; not with --format table",
            default=False,
        ),
        Option(
            "raw_headers",
            kinds.SWITCH,
            "put the answer's headers into each record, likewise",
            default=False,
        ),
        Option(
            "show_identity",
            kinds.SWITCH,
            "add email, user_id and account_id to each record",
            default=False,
        ),
        Option(
            "timezone",
            kinds.ZONE,
            "of the times in tables, such as Europe/Berlin (default: local)",
        ),
        Option(
            "fail_under",
            kinds.PERCENT,
            "exit 4 where an account has less than P percent left or is blocked",
        ),
        Option(
            "quiet",
            kinds.SWITCH,
            "say only what went wrong",
            default=False,
            flags=("-q", "--quiet"),
        ),
        Option(
            "verbose",
            kinds.LEVEL,
            "say more, may be repeated",
            default=0,
            flags=("-v", "--verbose"),
        ),
    ),
}
"""By section of the configuration file, which is also a group of the help; in its order."""

OTHERS = (
    Option(
        "config",
        kinds.PATH,
        "configuration file (default: config.toml here, else poller/config.toml in your"
        " configuration folder); a flag beats it",
    ),
    Option(
        "list",
        kinds.SWITCH,
        "ask nobody: list what the files say of each account, its plan, when its token expires,"
        " which are the same",
        default=False,
    ),
    Option(
        "print_completion",
        kinds.SHELL,
        "print what completes poller's options in bash, zsh or fish",
    ),
    Option("schema", kinds.SWITCH, "print the JSON Schema of a record", default=False),
    Option("version", kinds.SWITCH, "print the version", default=False),
    Option("help", kinds.SWITCH, "print this", default=False, flags=("-h", "--help")),
)
"""Flags that are no part of ``Settings`` and have no key."""


def every_option() -> tuple[Option, ...]:
    """Return all options that ``Settings`` knows."""
    return tuple(option for section in OPTIONS.values() for option in section)


def key_path(option: Option) -> str:
    """Return the option's key with its section, as messages name it."""
    return next(f"{name}.{option.key}" for name, options in OPTIONS.items() if option in options)
