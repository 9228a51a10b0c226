"""Make answers and auth files that nobody has seen out of those that have been.

Everything is drawn from one ``random.Random``: the same seed makes the same inputs.
"""

from __future__ import annotations

import ast
import base64
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from tests.auth_files import OPENAI, codex, jwt, several, token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

DATA = Path(__file__).parents[1] / "data"
_MARK, _RAW = "@raw{}@", re.compile(rb'"@raw([0-9]+)@"(:?)')
"""Stands for a piece of JSON that no serializer writes: 1e400, a lone surrogate."""
_BYTES_SHARE = 0.2
"""Of the inputs that are broken as bytes, after their values were changed."""
_LONGEST = 300_000
_GROWN_SHARE = 0.003
"""Of the inputs that are made as large as one may be: a piece of them, again and again."""
_LARGEST = 1 << 20
_SYNTAX = [bytes([byte]) for byte in b'{}[]",:\\ \n\0\xff\x1b0-e.'] + [b"null", b"\xef\xbb\xbf"]


@dataclass(frozen=True)
class Corpus:
    """What inputs are made of."""

    documents: tuple[bytes, ...]
    """Whole ones, as JSON, to begin with."""
    raw: tuple[bytes, ...]
    """JSON texts of every sort, to put in any place."""
    broken: tuple[bytes, ...]
    """Texts that are no JSON."""
    keys: tuple[str, ...]
    """Keys that mean something somewhere."""


@cache
def answers() -> Corpus:
    documents = [_read(path)["answer"] for path in sorted((DATA / "payloads").glob("*.json"))]
    return _corpus(documents)


@cache
def files() -> Corpus:
    texts = [path.read_text(encoding="utf-8") for path in sorted((DATA / "auth").glob("*.json"))]
    documents = [_filled(json.loads(text)["file"]) for text in texts]
    documents += [codex("bob"), codex("carol", OPENAI_API_KEY="sk-made-up"), several("a", "b", "c")]
    foreign = jwt({"iss": "https://accounts.google.com", OPENAI: {"chatgpt_account_id": "acc-1"}})
    documents += [codex(tokens={"access_token": foreign, "account_id": "acc-1"})]
    return _corpus(documents)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _filled(value: Any) -> Any:
    """Put tokens where the fixtures say ``<access alice>``."""
    match value:
        case dict():
            return {key: _filled(member) for key, member in value.items()}
        case list():
            return [_filled(member) for member in value]
        case str() if value.startswith("<"):
            return token(value.strip("<>").rpartition(" ")[2])
        case _:
            return value


def _corpus(documents: list[Any]) -> Corpus:
    broken = (DATA / "json" / "broken.txt").read_text(encoding="ascii").splitlines()
    return Corpus(
        tuple(json.dumps(document).encode() for document in documents),
        tuple((DATA / "json" / "valid.jsonl").read_bytes().splitlines()),
        tuple(_unescaped(line) for line in broken if not line.startswith("# One text")),
        tuple(sorted({key for document in documents for key in _keys(document)})),
    )


def _unescaped(line: str) -> bytes:
    quoted = line.replace("'''", r"\'\'\'")
    return bytes(ast.literal_eval(f"b'''{quoted} '''"))[:-1]


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    for member in value if isinstance(value, list) else ():
        yield from _keys(member)


def mutated(corpus: Corpus, chance: Random) -> bytes:
    """Return one input: mostly JSON with something strange in it, sometimes no JSON."""
    kind = chance.random()
    if kind < 0.01:
        return chance.choice(corpus.broken)
    if kind < 0.02:
        return chance.choice(corpus.raw)
    holder: list[Any] = [orjson.loads(chance.choice(corpus.documents))]
    for _ in range(1 if chance.random() < 0.5 else chance.randrange(2, 7)):
        _change(holder, corpus, chance)
    if chance.random() < _GROWN_SHARE:
        _grow(holder, chance)
    text = _with_raw(orjson.dumps(holder[0]), corpus)[:_LARGEST]
    return _broken(text, corpus, chance) if kind > 1 - _BYTES_SHARE else text


# Values


def _grow(holder: list[Any], chance: Random) -> None:
    """Put a value in its place as often as there is room for."""
    owner, key = _place(holder, chance)
    value = owner[key]
    room = _LARGEST - len(orjson.dumps(holder[0])) - 100
    times = max(0, room) // (len(orjson.dumps(value)) + 8)
    match chance.randrange(4):
        case 0 if isinstance(value, str):
            owner[key] = value * (room // (len(value) + 1) // 2)
        case 1:
            owner[key] = {f"{number:x}": value for number in range(times)}
        case 2 if isinstance(owner, list):
            owner.extend([value] * times)
        case _:
            owner[key] = [value] * times


def _change(holder: list[Any], corpus: Corpus, chance: Random) -> None:
    """Change one place of what ``holder`` holds."""
    owner, key = _place(holder, chance)
    chance.choice(_CHANGES)(owner, key, corpus, chance)


def _place(holder: list[Any], chance: Random) -> tuple[Any, Any]:
    """Walk down to a place: its owner, and its key or index there."""
    owner: Any = holder
    key: Any = 0
    while isinstance(owner[key], dict | list) and owner[key] and chance.random() < 0.85:
        owner = owner[key]
        key = (
            chance.choice(list(owner)) if isinstance(owner, dict) else chance.randrange(len(owner))
        )
    return owner, key


def _odd(corpus: Corpus, chance: Random) -> str:
    return _MARK.format(chance.randrange(len(corpus.raw)))


def _replace(owner: Any, key: Any, corpus: Corpus, chance: Random) -> None:
    owner[key] = _odd(corpus, chance)


def _graft(owner: Any, key: Any, corpus: Corpus, chance: Random) -> None:
    """Put in a piece of another document."""
    there, where = _place([orjson.loads(chance.choice(corpus.documents))], chance)
    owner[key] = there[where]


def _remove(owner: Any, key: Any, _corpus: Corpus, _chance: Random) -> None:
    del owner[key]
    if isinstance(owner, list) and not owner:
        owner.append(None)  # the holder is never empty


def _rename(owner: Any, key: Any, corpus: Corpus, chance: Random) -> None:
    if isinstance(owner, dict):
        owner[chance.choice(corpus.keys)] = owner.pop(key)


def _copy(owner: Any, key: Any, corpus: Corpus, chance: Random) -> None:
    if isinstance(owner, dict):
        owner[chance.choice(corpus.keys)] = owner[key]
    else:
        owner.insert(0, owner[key])


def _add(owner: Any, _key: Any, corpus: Corpus, chance: Random) -> None:
    if isinstance(owner, dict):
        odd = chance.random() < 0.1
        owner[_odd(corpus, chance) if odd else chance.choice(corpus.keys)] = _odd(corpus, chance)
    else:
        owner.insert(0, _odd(corpus, chance))


def _wrap(owner: Any, key: Any, corpus: Corpus, chance: Random) -> None:
    value = owner[key]
    owner[key] = [value] if chance.random() < 0.5 else {chance.choice(corpus.keys): value}


def _spell(owner: Any, key: Any, _corpus: Corpus, _chance: Random) -> None:
    """Write a number as text and text as a number, where it is one."""
    value = owner[key]
    if isinstance(value, str):
        owner[key] = len(value)
    elif isinstance(value, int | float):
        owner[key] = str(value)


def _scale(owner: Any, key: Any, _corpus: Corpus, chance: Random) -> None:
    value = owner[key]
    if isinstance(value, int | float) and abs(value) < 1e15:
        owner[key] = value * chance.choice((-1, 0, 0.5, 10, 1000, 1e-9))
    elif isinstance(value, str):  # not again and again: three times make gigabytes of a token
        owner[key] = (value * chance.choice((0, 2, 300)))[:_LONGEST]


def _claims(owner: Any, key: Any, corpus: Corpus, chance: Random) -> None:
    """Change what a token claims; elsewhere put in a token of somebody."""
    value = owner[key]
    parts = value.split(".") if isinstance(value, str) else []
    if len(parts) != 3:
        owner[key] = token(chance.choice("abc"))
        return
    try:
        holder: list[Any] = [orjson.loads(base64.urlsafe_b64decode(parts[1] + "=="))]
    except ValueError:  # changed before
        return
    _change(holder, corpus, chance)
    text = _with_raw(orjson.dumps(holder[0]), corpus)
    parts[1] = base64.urlsafe_b64encode(text).rstrip(b"=").decode()
    owner[key] = ".".join(parts) if chance.random() < 0.9 else jwt(holder[0])


_CHANGES: tuple[Callable[[Any, Any, Corpus, Random], None], ...] = (
    *(_replace, _replace, _replace, _graft, _graft, _remove, _rename, _copy),
    *(_add, _wrap, _spell, _scale, _claims),
)


def _with_raw(text: bytes, corpus: Corpus) -> bytes:
    """Put the pieces of JSON where they are meant; as a key, quoted if they are not."""

    def raw(found: re.Match[bytes]) -> bytes:
        piece = corpus.raw[int(found[1])]
        return b'"odd":' if found[2] and not piece.startswith(b'"') else piece + found[2]

    return _RAW.sub(raw, text)


# Bytes


def _broken(text: bytes, corpus: Corpus, chance: Random) -> bytes:
    """Damage a text: cut, doubled, overwritten, or something put in."""
    start = chance.randrange(len(text) + 1)
    end = min(len(text), start + chance.choice((0, 1, 1, 2, 8, 64)))
    match chance.randrange(6):
        case 0:
            return text[:start]
        case 1:
            return text[:start] + text[end:]
        case 2:
            return text[:end] + text[start:]
        case 3:
            return text[:start] + chance.choice(corpus.broken) + text[end:]
        case 4:
            return text[:start] + chance.choice(_SYNTAX) + text[end:]
        case _:
            return text[:start] + chance.randbytes(end - start) + text[end:]
