from __future__ import annotations

import os
import time

import pytest

from poller.authfiles.labels import UniqueLabels, labels_of
from poller.text import short_addresses


def folder(path: str, *names: str) -> list[str]:
    return [os.path.join(path, name) for name in sorted(names)]


def labels(*folders: list[str]) -> list[str]:
    return list(labels_of([path for each in folders for path in each]).values())


@pytest.mark.parametrize(
    ("path", "name", "label"),
    [
        ("/h/account", "alice.auth.json", "alice"),
        ("/h/account", "alice.json", "alice"),
        ("/h/account", "a.b.auth.json", "a.b"),
        ("/h/account", "张伟.auth.json", "张伟"),
        ("/h/account", "a\x1b\udcff.auth.json", "a\\x1b\\xff"),
        ("/h/account", "plain", "plain"),
        ("/h/.codex", "auth.json", "codex"),
        ("/h/work", "auth.json", "work"),
        ("/", "auth.json", "auth"),
        ("/h/x", ".auth.json", "x"),
        ("/", "", "auth"),
    ],
)
def test_label_is_the_name_without_its_ending(path: str, name: str, label: str) -> None:
    assert labels(folder(path, name)) == [label]


def test_auth_json_ending_keeps_the_stem_from_its_neighbour() -> None:
    assert labels(folder("/h/a", "alice.auth.json", "alice.json")) == ["alice", "alice.json"]


def test_file_named_like_its_folder_keeps_that_from_auth_json() -> None:
    assert labels(folder("/h/a", "a.auth.json", "auth.json")) == ["a", "auth.json"]


def test_same_name_in_two_folders_prefixes_both() -> None:
    found = labels_of(["/h/home/alice.auth.json", "/h/home/bob.json", "/h/work/alice.json"])
    assert found == {
        "/h/home/alice.auth.json": "home/alice",
        "/h/home/bob.json": "bob",
        "/h/work/alice.json": "work/alice",
    }


def test_prefix_is_as_long_as_it_takes() -> None:
    found = labels(folder("/a/x/codex", "q.auth.json"), folder("/b/x/codex", "q.auth.json"))
    assert found == ["a/x/codex/q", "b/x/codex/q"]


def test_folder_above_and_below_are_told_apart() -> None:
    assert labels(folder("/a", "q.json"), folder("/b/a", "q.json")) == ["a/q", "b/a/q"]


def test_auth_json_is_told_apart_by_what_is_before_its_folder() -> None:
    found = labels(folder("/u/one/.codex", "auth.json"), folder("/u/two/.codex", "auth.json"))
    assert found == ["one/codex", "two/codex"]


def test_what_no_path_tells_apart_is_named_whole() -> None:
    found = labels(folder("/u/alice", "auth.json"), folder("/u", "alice.auth.json"))
    assert found == ["u/alice/auth.json", "u/alice.auth.json"]


def test_many_folders_of_one_name_are_told_apart() -> None:
    folders = [folder(f"/u/{number}/.codex", "auth.json") for number in range(300)]
    assert labels(*folders) == [f"{number}/codex" for number in range(300)]


def test_many_folders_of_different_names_need_no_prefix() -> None:
    folders = [folder(f"/u/{number}", f"x{number}.json") for number in range(10)]
    assert labels(*folders) == [f"x{number}" for number in range(10)]


def test_a_label_that_was_given_gets_a_number() -> None:
    unique = UniqueLabels(["b"])
    assert [unique.claim("a") for _ in range(3)] == ["a", "a#2", "a#3"]
    assert unique.claim("b") == "b#2"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("alice.liddell@example.com", "al…ll@e…"),
        ("alice@example.co.uk", "al…@e…"),
        ("a@b.co", "a…@b…"),
        ("codex-alice@example.com-plus", "co…ce@e…-plus"),
        ("张伟@例子.中国", "张…@例…"),
        ("alice@xn--fsqu00a.xn--0zwm56d", "al…@x…"),
        ("alice+tag@example.com and bob@example.org", "al…ag@e… and bo…@e…"),
        ("alice@work", "alice@work"),
        ("@example.com", "@example.com"),
        ("alice", "alice"),
    ],
)
def test_an_address_in_a_label_is_shortened_unless_it_is_to_be_shown(name: str, label: str) -> None:
    path = f"/h/a/{name}.auth.json"
    assert labels_of([path]) == {path: label}
    assert labels_of([path], shows_addresses=True) == {path: name}


@pytest.mark.parametrize("name", ["a" * 100 + "@" + "b." * 50, "a@" * 50, "a@b.cc " * 14])
def test_a_thousand_names_of_one_file_are_shortened_at_once(name: str) -> None:
    times_s: list[float] = []
    for _ in range(5):
        begun_s = time.thread_time()
        for _ in range(1_000):
            short_addresses(name)
        times_s.append(time.thread_time() - begun_s)
    assert min(times_s) <= 0.05


def test_addresses_that_are_shortened_alike_are_told_apart() -> None:
    names = [f"team-{number}1@example.com.auth.json" for number in range(3)]
    assert labels(folder("/h/a", *names)) == ["te…01@e…", "te…11@e…", "te…21@e…"]
    names = ["anne@here.com.auth.json", "anna@home.com.auth.json"]
    assert labels(folder("/h/a", *names)) == ["an…@h…", "an…@h…#2"]


def test_a_label_has_200_characters_at_most() -> None:
    names = [f"{'a' * 150}{number}{'b' * 95}.auth.json" for number in range(2)]
    middles = ["aaaa0", "aaaa1"]
    assert labels(folder("/h/a", *names)) == [f"{'a' * 99}…{each}{'b' * 95}" for each in middles]
    same = [f"{'a' * 100}{number}{'b' * 110}.auth.json" for number in range(2)]
    assert labels(folder("/h/a", *same))[1].endswith("b#2")


def test_a_hundred_thousand_labels_of_one_address_take_seconds_at_most() -> None:
    paths = [f"/h/a/aa{number:07}zz@example.com.auth.json" for number in range(100_000)]
    began = time.process_time()
    assert len({*labels_of(paths).values()}) == 100_000
    assert time.process_time() - began < 5


def test_labels_that_are_shown_alike_are_told_apart() -> None:
    assert labels(["/h/a\x1b.json", "/h/a\\x1b.json"]) == ["a\\x1b", "a\\x1b#2"]
