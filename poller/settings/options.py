"""The one table of options.

The command line, its help, the reader of configuration files and the check that
``config.example.toml`` is complete all derive from it: a new option is one entry here and
one field of ``Settings``.
"""

from __future__ import annotations

from poller.settings import value_types as kinds
from poller.settings.addresses import DEFAULT_URL, LISTEN, NATS, PROXY, TARGET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from poller.settings.value_types import ValueType

DEMO_ACCOUNTS = 12
"""Made up where ``--demo`` says no number."""

_ROUNDS = ("watch", "serve")
"""The commands that poll again and again."""
_ANSWERING = ("next", "guard", "timeline", "report")
"""The commands that answer from history, and ask where it is too old."""
_ASKING = ("poll", *_ROUNDS, *_ANSWERING)
"""The commands that send requests."""
_SENDING = (*_ASKING, "agent")
"""The same, and what asks for others."""
_READING = (*_ASKING, "list")
"""The commands that read auth files."""
_POLLING = ("poll", *_ROUNDS)
"""The commands that write records."""
_CONNECTED = (*_POLLING, "agent")
"""The commands that know a server of agents."""
_REMEMBERING = (*_ASKING, "status", "diff", "history", "alerts")
"""The commands that record into the history or read it."""
_TELLING = (*_READING, "status", "diff", "history", "alerts")
"""The commands that tell people something, and so have a language and a time zone."""
EVERY = (
    *_READING,
    *("status", "diff", "history", "alerts", "agent"),
    *("schema", "completion", "help"),
)
"""The commands whose words are parsed here; ``simulate`` parses its own."""


class Option:
    """One option: its key in a file, its flag, what it takes and which commands take it.

    Without a flag it is a bare argument where its type has a ``metavar``, and else one that
    only a file sets. Two options may share a flag if no command takes both.

    A plain class, as ``ValueType``.
    """

    __slots__ = (
        "commands",
        "default",
        "field",
        "flags",
        "help",
        "key",
        "kind",
        "local",
        "variants",
    )

    def __init__(  # noqa: PLR0913 - as many as the table has columns
        self,
        key: str,
        kind: ValueType,
        what: str,
        *,
        default: object = None,
        field: str = "",
        flags: tuple[str, ...] | None = None,
        commands: tuple[str, ...] = _ASKING,
        local: ValueType | None = None,
        variants: dict[str, tuple[ValueType, str]] | None = None,
    ) -> None:
        self.key = key
        self.kind = kind
        self.help = what
        self.default = default
        self.field = field or key
        """Of ``Settings``."""
        self.flags = (f"--{key.replace('_', '-')}",) if flags is None else flags
        """The long one last."""
        self.commands = commands
        self.local = local
        """What a ``config.toml`` found in the current folder may set, as it may have come with
        somebody else's files; None: nothing but the default."""
        self.variants = variants or {}
        """By command: what it takes on the command line, and its help, where that differs."""

    def of(self, command: str) -> Option:
        """Return the option as a command takes it."""
        if command not in self.variants:
            return self
        kind, what = self.variants[command]
        return Option(
            self.key,
            kind,
            what,
            default=self.default,
            field=self.field,
            flags=self.flags,
            commands=self.commands,
            local=self.local,
        )

    @property
    def is_word(self) -> bool:
        """Whether it is a bare argument of the command line."""
        return not self.flags and bool(self.kind.metavar)

    @property
    def place(self) -> str:
        """What a message calls it where it came from the command line."""
        return self.flags[-1] if self.flags else self.kind.metavar.strip("[]")


_WORDS_OF_HISTORY = kinds.ValueType(
    kinds.NAMES.expects, kinds.NAMES.fit, metavar="ACTION|ACCOUNT", action="append"
)
_ACTIONS = (
    "show (default), import FILE (- is standard input), export, prune or check; after show,"
    " export and check the names or patterns of accounts (default: all)"
)
_ANY_FORMAT = kinds.choice(
    *("auto", "table", "jsonl", "csv", "prometheus"), *("plain", "tmux", "waybar", "json")
)
"""What a file may say, for all commands; those that have no such format do as without it."""
_RECORDS = kinds.choice("auto", "table", "jsonl")
_AS_RECORDS = (
    "table, jsonl or auto: a table on a terminal, JSON Lines into a pipe or file; watch, less"
    " and cron need --format table"
)
_FORMATS = {
    **dict.fromkeys(_TELLING, (_RECORDS, _AS_RECORDS)),
    "poll": (
        kinds.choice("auto", "table", "jsonl", "csv", "prometheus"),
        _AS_RECORDS.replace("table, jsonl", "table, jsonl, csv, prometheus"),
    ),
    "history": (
        kinds.choice("auto", "table", "jsonl", "csv"),
        "table, jsonl, csv or auto: a table on a terminal, JSON Lines into a pipe or file",
    ),
    "next": (
        kinds.choice("auto", "jsonl"),
        "auto (the account's name alone) or jsonl (with the reason)",
    ),
    "status": (
        kinds.choice("auto", "plain", "tmux", "waybar", "json"),
        "plain (auto is the same), tmux, waybar or json",
    ),
}

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
            commands=(*_READING, "history"),
            variants={"history": (_WORDS_OF_HISTORY, _ACTIONS)},
        ),
        Option(
            "account_dir",
            kinds.FOLDERS,
            "folder of auth files, may be repeated (default: account; without that folder, the"
            " Codex CLI's own login)",
            field="account_dirs",
            commands=(*_READING, "agent"),
            local=kinds.FOLDERS_HERE,
        ),
        Option(
            "files_from",
            kinds.PATH,
            "read paths of auth files from FILE, one a line; - is standard input",
            commands=_READING,
        ),
        Option(
            "refresh",
            kinds.SWITCH,
            "renew logins whose token has expired, in their files; a refresh token works once, so"
            " keep each login in one file only",
            default=False,
            commands=_SENDING,
        ),
        Option(
            "refresh_codex_home",
            kinds.SWITCH,
            "with --refresh: renew the Codex CLI's own file as well; only while no codex is"
            " running",
            default=False,
            commands=_SENDING,
        ),
        Option(
            "demo",
            kinds.MADE_UP,
            "use N made-up accounts (12) and an embedded upstream: no network, no login needed",
            commands=(*_READING, "diff", "status", "history", "alerts"),
            variants={
                **dict.fromkeys(
                    ("status", "history"),
                    (
                        kinds.MADE_UP,
                        "take an invented week of N made-up accounts (12) for the history",
                    ),
                ),
                "alerts": (kinds.MADE_UP, "list the rules without looking at your history"),
            },
        ),
        Option(
            "demo_speed",
            kinds.SPEED,
            "with --demo: how fast its time passes; 600 lets an hour pass in six seconds",
            default=1.0,
            commands=(*_ROUNDS, *_ANSWERING),
        ),
    ),
    "requests": (
        Option(
            "chatgpt_url",
            TARGET,
            "where to send requests; https, or http on loopback",
            default=DEFAULT_URL,
            commands=_SENDING,
        ),
        Option(
            "concurrency",
            kinds.whole(1, 10_000),
            "requests in flight at most",
            default=8,
            local=kinds.whole(1, 10_000),
            commands=_SENDING,
        ),
        Option(
            "rate",
            kinds.RATE,
            "requests started per second at most (default: no limit)",
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
            "how long to wait for a dead upstream before giving up the accounts left",
            default=40.0,
            field="patience_s",
            local=kinds.DURATION,
        ),
        Option(
            "proxy",
            PROXY,
            "http or https proxy (default: the environment's HTTPS_PROXY, ALL_PROXY, NO_PROXY)",
            commands=_SENDING,
        ),
        Option(
            "ca_file",
            kinds.FILE,
            "certificates (PEM) to trust besides the system's",
            commands=_SENDING,
        ),
        Option(
            "user_agent",
            kinds.AGENT,
            "the User-Agent header",
            default="Mozilla/5.0",
            flags=(),
            commands=_SENDING,
        ),
    ),
    "output": (
        Option(
            "format",
            _ANY_FORMAT,
            "of the output",
            default="auto",
            commands=tuple(command for command in _TELLING if command != "guard"),
            local=_ANY_FORMAT,
            variants=_FORMATS,
        ),
        Option(
            "output",
            kinds.PATH,
            "write the results to FILE, which is replaced once they are complete",
            commands=("poll",),
        ),
        Option(
            "report_file",
            kinds.PATH,
            "write the report to FILE, an HTML page, which is replaced once it is complete",
            flags=("-o", "--report-file"),
            commands=("report",),
        ),
        Option(
            "color",
            kinds.choice("auto", "always", "never", metavar="WHEN"),
            "auto, always or never; auto: on a terminal, unless NO_COLOR is set",
            default="auto",
            commands=(*_READING, "diff", "history"),
            local=kinds.choice("auto", "always", "never"),
        ),
        Option(
            "language",
            kinds.choice("auto", "en", "zh", metavar=""),
            "of tables and messages",
            default="auto",
            flags=(),
            commands=_TELLING,
            local=kinds.choice("auto", "en", "zh"),
        ),
        Option(
            "ordered",
            kinds.SWITCH,
            "records in the order of the accounts, not as they come",
            default=False,
            commands=("poll", "list"),
            local=kinds.SWITCH,
        ),
        Option(
            "extra",
            kinds.SWITCH,
            "give extra limits (Spark, code review) rows of their own in the table",
            default=False,
            local=kinds.SWITCH,
            commands=_POLLING,
        ),
        Option(
            "raw_json",
            kinds.SWITCH,
            "put the response's JSON into each record, tokens masked; JSON Lines only",
            default=False,
            commands=("poll", "watch"),
        ),
        Option(
            "raw_headers",
            kinds.SWITCH,
            "put the response's headers into each record, likewise",
            default=False,
            commands=("poll", "watch"),
        ),
        Option(
            "show_identity",
            kinds.SWITCH,
            "add email, user_id and account_id to each record",
            default=False,
            commands=(*_POLLING, "list", "agent"),
        ),
        Option(
            "timezone",
            kinds.ZONE,
            "time zone of tables, such as Europe/Berlin (default: local)",
            commands=_TELLING,
            local=kinds.ZONE,
        ),
        Option(
            "machine",
            kinds.NAME,
            "put this machine's NAME into each record",
        ),
        Option(
            "fail_under",
            kinds.PERCENT,
            "exit 4 if an account has less than P percent left or is blocked",
            local=kinds.PERCENT,
            commands=("poll", "watch"),
        ),
        Option(
            "need",
            kinds.whole(1, 100_000),
            "exit 4 if fewer than N accounts can be used",
            local=kinds.whole(1, 100_000),
            commands=("poll", "watch", "guard"),
            variants={
                "guard": (kinds.whole(1, 100_000), "how many accounts have to be good (default: 1)")
            },
        ),
        Option(
            "quiet",
            kinds.SWITCH,
            "print only what went wrong",
            default=False,
            flags=("-q", "--quiet"),
            commands=(*_TELLING, "agent"),
            local=kinds.SWITCH,
        ),
        Option(
            "verbose",
            kinds.LEVEL,
            "print more, may be repeated",
            default=0,
            flags=("-v", "--verbose"),
            commands=(*_TELLING, "agent"),
            local=kinds.LEVEL,
        ),
    ),
    "watch": (
        Option(
            "every",
            kinds.INTERVAL,
            "time between two requests for one account, 60s at least; auto asks when it matters:"
            " often while an account's figures move, hourly while they rest",
            default="auto",
            commands=_ROUNDS,
        ),
        Option(
            "budget",
            kinds.BUDGET,
            "requests an hour over all accounts at most, where --every is auto (default: 12 for"
            " each account)",
            commands=_ROUNDS,
        ),
        Option(
            "rounds",
            kinds.whole(1, 1_000_000_000),
            "end when every account was asked N times, with poll's exit code over the last round",
            commands=("watch",),
        ),
        Option(
            "until_change",
            kinds.SWITCH,
            "end with 0 when an account can be used, or no longer, or fails otherwise than before",
            default=False,
            commands=("watch",),
        ),
        Option(
            "no_history",
            kinds.SWITCH,
            "record nothing in the history",
            default=False,
            commands=_ROUNDS,
        ),
        Option(
            "status_file",
            kinds.PATH,
            "keep the line of poller status in FILE",
            commands=_ROUNDS,
        ),
    ),
    "history": (
        Option(
            "history",
            kinds.PATH,
            "the history's file (default: your own); where it is named, poll, next, guard and"
            " timeline record into it",
            field="history_file",
            commands=_REMEMBERING,
            variants=dict.fromkeys(
                ("status", "history", "diff", "report", "alerts"),
                (kinds.PATH, "the history's file (default: your own)"),
            ),
        ),
        Option(
            "record",
            kinds.SWITCH,
            "record what was answered, in your own history unless --history names a file",
            default=False,
            commands=("poll", "next", "guard", "timeline"),
        ),
        Option(
            "max_age",
            kinds.DURATION,
            "how old an answer may be to be believed without asking again (default: 5m, in"
            " report 1h)",
            field="max_age_s",
            commands=(*_ANSWERING, "status"),
            variants={
                "status": (
                    kinds.DURATION,
                    "how old figures are that are still shown (default: 15m)",
                )
            },
        ),
        Option(
            "since",
            kinds.DURATION,
            "how far to look back (default: 7d)",
            field="since_s",
            commands=("history", "diff", "report"),
            variants={
                "history": (
                    kinds.DURATION,
                    "how far to look back (default: 7d; with export and check: no limit)",
                )
            },
        ),
        Option(
            "window",
            kinds.NAME,
            "only the window of that name: five_hour, weekly, monthly or another (default: all)",
            commands=("history", "guard"),
        ),
        Option(
            "older_than",
            kinds.DURATION,
            "with prune: remove what ended longer ago",
            field="older_than_s",
            commands=("history",),
        ),
        Option(
            "codex_sessions",
            kinds.ValueType("a folder", kinds.path_at, metavar="DIR"),
            "with import: take the limits from the Codex CLI's session files below DIR, such as"
            " ~/.codex/sessions; they are only read",
            commands=("history",),
        ),
        Option(
            "as",
            kinds.NAME,
            "with --codex-sessions: the account whose they are, as its file is named",
            field="sessions_of",
            commands=("history",),
        ),
        Option(
            "alerts",
            kinds.SWITCH,
            "evaluate the [[alert]] rules after a poll that is recorded, and tell what changed",
            default=False,
            field="evaluate_alerts",
            commands=("poll",),
        ),
    ),
    "pool": (
        Option(
            "min_remaining",
            kinds.PERCENT,
            "percent that an account has left at least in every window (default: 10, in guard 0)",
            commands=("next", "guard"),
        ),
        Option(
            "for",
            kinds.DURATION,
            "only accounts that are not forecast to run out within D",
            field="for_s",
            commands=("next", "guard"),
        ),
        Option(
            "strategy",
            kinds.choice("reset-first", "headroom", metavar="S"),
            "reset-first (what would be lost soonest is used first) or headroom (most left)",
            default="reset-first",
            commands=("next",),
        ),
        Option(
            "unknown",
            kinds.choice("ok", "fail", metavar="HOW"),
            "exit 0 (ok) or 4 (fail) where it cannot be told (default: 1, 2 or 3, by what failed)",
            commands=("guard",),
        ),
        Option(
            "hours",
            kinds.whole(1, 24 * 31),
            "how far to look ahead",
            default=24,
            commands=("timeline",),
        ),
        Option(
            "below",
            kinds.PERCENT,
            "percent left below which a window is low",
            default=10.0,
            commands=("diff",),
        ),
        Option(
            "weights",
            kinds.WEIGHTS,
            "how much an account of each plan counts in the pool",
            flags=(),
        ),
    ),
    "serve": (
        Option(
            "listen",
            LISTEN,
            "where to serve; other addresses than this machine's own need --token-file, and TLS or"
            " --plain-http",
            default="127.0.0.1:8765",
            commands=("serve",),
        ),
        Option(
            "allow_host",
            kinds.HOSTS,
            "a name that this server is reached by, may be repeated",
            field="allow_hosts",
            default=(),
            commands=("serve",),
        ),
        Option(
            "token_file",
            kinds.PATH,
            "let in only who knows the token in FILE: 32 characters or more",
            commands=("serve",),
        ),
        Option(
            "tls_cert", kinds.PATH, "serve TLS with this certificate (PEM)", commands=("serve",)
        ),
        Option("tls_key", kinds.PATH, "its key (PEM)", commands=("serve",)),
        Option(
            "plain_http",
            kinds.SWITCH,
            "serve other machines without TLS; for a proxy in front that speaks it",
            default=False,
            commands=("serve",),
        ),
    ),
    "agent": (
        Option(
            "nats",
            NATS,
            "the NATS server that agents and collectors meet at: nats://HOST[:PORT] or"
            " tls://HOST[:PORT]; several of a cluster with commas between",
            commands=_CONNECTED,
        ),
        Option(
            "creds",
            kinds.PATH,
            "who to be there: a .creds file, an nkey seed or user:password, for you alone to read",
            commands=_CONNECTED,
        ),
        Option(
            "nats_ca",
            kinds.FILE,
            "certificates (PEM) to trust there besides the system's; a server without TLS is"
            " refused",
            commands=_CONNECTED,
        ),
        Option(
            "shared",
            kinds.SHARED,
            "a folder that is the same on all machines, [NAME=]DIR: any agent that has it may take"
            " its accounts",
            commands=_CONNECTED,
        ),
        Option(
            "agents",
            kinds.whole(1, 10_000),
            "wait until N agents are there (default: ask once one is)",
            commands=_POLLING,
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
    ),
}
"""By section of the configuration file, which is also a group of the help; in its order."""

OTHERS = (
    Option(
        "config",
        kinds.PATH,
        "configuration file (default: config.toml here, over poller/config.toml in your"
        " configuration folder); flags beat it",
        commands=(*_TELLING, "agent"),
    ),
    Option("list", kinds.SWITCH, "the same as poller list", default=False),
    Option(
        "print_completion",
        kinds.choice("bash", "zsh", "fish", metavar="SHELL"),
        "the same as poller completion",
    ),
    Option("schema", kinds.SWITCH, "the same as poller schema", default=False),
    Option(
        "shell",
        kinds.choice("bash", "zsh", "fish", metavar="SHELL"),
        "bash, zsh or fish",
        flags=(),
        commands=("completion",),
    ),
    Option(
        "command",
        kinds.ValueType("the name of a command", kinds.path_at, metavar="[COMMAND]"),
        "the command to explain (default: all)",
        flags=(),
        commands=("help",),
    ),
    Option(
        "before",
        kinds.ValueType("a file of records", kinds.path_at, metavar="[A]"),
        "a file of records (poller > A); without one, the history is asked",
        flags=(),
        commands=("diff",),
    ),
    Option(
        "after",
        kinds.ValueType("a file of records", kinds.path_at, metavar="[B]"),
        "another one, of later",
        flags=(),
        commands=("diff",),
    ),
    Option(
        "action",
        kinds.choice("list", "test", metavar="[list|test]"),
        "list the rules and what fires now (default), or test where one is told",
        flags=(),
        commands=("alerts",),
    ),
    Option(
        "rule",
        kinds.ValueType("the name of a rule", kinds.NAME.fit, metavar="[NAME]"),
        "the rule to test",
        flags=(),
        commands=("alerts",),
    ),
    Option("version", kinds.SWITCH, "print the version", default=False, commands=EVERY),
    Option(
        "help",
        kinds.SWITCH,
        "print this",
        default=False,
        flags=("-h", "--help"),
        commands=EVERY,
    ),
)
"""Flags and words that are no part of ``Settings`` and have no key."""


def every_option() -> tuple[Option, ...]:
    """Return all options that ``Settings`` knows."""
    return tuple(option for section in OPTIONS.values() for option in section)


def key_path(option: Option) -> str:
    """Return the option's key with its section, as messages name it."""
    return next(f"{name}.{option.key}" for name, options in OPTIONS.items() if option in options)
