"""What the import contracts in ``pyproject.toml`` cannot say about the source."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from pathlib import Path

import poller

SOURCE = Path(poller.__file__).parent
MODULES = {
    path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text())
    for path in SOURCE.rglob("*.py")
}


def test_no_class_name_is_used_twice() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for module, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module)
    assert len(places) > 100
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_only_the_entry_ends_the_process() -> None:
    ending = {
        module
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "_exit"
    }
    assert ending == {"__main__.py"}


def test_only_four_rooms_handle_a_credential() -> None:
    handling = {
        module.partition("/")[0]
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "Credential"
    }
    compares = "usage"  # whose answer it is: `usage/identity.py`
    assert handling == {"authfiles", "upstream", "polling", "renewal", compares}


def test_no_two_files_of_tests_are_called_the_same() -> None:
    here = Path(__file__).parent
    loose = [path for path in here.rglob("test_*.py") if not (path.parent / "__init__.py").exists()]
    names = Counter(path.name for path in loose)
    assert [name for name, times in names.items() if times > 1] == []
