"""What an option is, and the groups of commands that take one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from poller.settings.value_types import ValueType

ROUNDS = ("watch", "serve")
"""The commands that poll again and again."""
ANSWERING = ("next", "guard", "timeline", "report")
"""The commands that answer from history, and ask where it is too old."""
ASKING = ("poll", *ROUNDS, *ANSWERING)
"""The commands that send requests."""
SENDING = (*ASKING, "agent")
"""The same, and the one that asks for others."""
READING = (*ASKING, "list")
"""The commands that read auth files."""
POLLING = ("poll", *ROUNDS)
"""The commands that write records."""
CONNECTED = (*POLLING, "agent")
"""The commands that know a server of agents."""
REMEMBERING = (*ASKING, "status", "diff", "history", "alerts")
"""The commands that record into the history or read it."""
TELLING = (*READING, "status", "diff", "history", "alerts")
"""The commands that tell people something, and so have a language and a time zone."""
EVERY = (
    *READING,
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
        commands: tuple[str, ...] = ASKING,
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
