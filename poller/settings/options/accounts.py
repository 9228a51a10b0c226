"""The options of ``[accounts]``: which accounts, and what may be done to their logins."""

from __future__ import annotations

from poller.settings import value_types as kinds
from poller.settings.options.option import ANSWERING, READING, ROUNDS, SENDING, Option

DEMO_ACCOUNTS = 12
"""Made up where ``--demo`` says no number."""

WORDS_OF_HISTORY = kinds.ValueType(
    kinds.NAMES.expects, kinds.NAMES.fit, metavar="ACTION|ACCOUNT", action="append"
)
_ACTIONS = (
    "show (default), import FILE (- is standard input), export, prune or check; after show,"
    " export and check the names or patterns of accounts (default: all)"
)

ACCOUNTS = (
    Option(
        "names",
        kinds.NAMES,
        "names (alice for account/alice.auth.json), patterns ('team-*') or paths of auth files"
        " (default: all)",
        default=(),
        field="accounts",
        flags=(),
        commands=(*READING, "history"),
        variants={"history": (WORDS_OF_HISTORY, _ACTIONS)},
    ),
    Option(
        "account_dir",
        kinds.FOLDERS,
        "folder of auth files, may be repeated (default: account; without that folder, the"
        " Codex CLI's own login)",
        field="account_dirs",
        commands=(*READING, "agent"),
        local=kinds.FOLDERS_HERE,
    ),
    Option(
        "files_from",
        kinds.PATH,
        "read paths of auth files from FILE, one a line; - is standard input",
        commands=READING,
    ),
    Option(
        "refresh",
        kinds.SWITCH,
        "renew logins whose token has expired, in their files; a refresh token works once, so"
        " keep each login in one file only",
        default=False,
        commands=SENDING,
    ),
    Option(
        "refresh_codex_home",
        kinds.SWITCH,
        "with --refresh: renew the Codex CLI's own file as well; only while no codex is running",
        default=False,
        commands=SENDING,
    ),
    Option(
        "demo",
        kinds.MADE_UP,
        "use N made-up accounts (12) and an embedded upstream: no network, no login needed",
        commands=(*READING, "diff", "status", "history", "alerts"),
        variants={
            **dict.fromkeys(
                ("status", "history", "diff"),
                (
                    kinds.MADE_UP,
                    "use an invented week of N made-up accounts (12) as the history",
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
        commands=(*ROUNDS, *ANSWERING),
    ),
)
