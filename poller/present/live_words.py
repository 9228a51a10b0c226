"""What the live table says beside the table's own words, in English and in Chinese."""
# ruff: noqa: RUF001 - full-width punctuation is what Chinese is written with

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWords:
    """One language; ``{…}`` is filled in."""

    hours: str
    """Title of the sparkline."""
    rows: str
    sorts: tuple[str, str, str, str]
    """By state, by name, by what is left, by the next reset."""
    sorted_by: str
    reversed: str
    filtered: str
    attention: str
    nothing_shown: str
    first_look: str
    asks_next: str
    asks_now: str
    may_ask: str
    nobody: str
    paused: str
    dead: str
    keys: str
    typing: str
    help_title: str
    help: tuple[tuple[str, str], ...]
    help_end: str


ENGLISH = LiveWords(
    hours="last {hours} h",
    rows="{first}-{last} of {total}",
    sorts=("best first", "by name", "by what is left", "by next reset"),
    sorted_by="{sort}",
    reversed="{sort}, reversed",
    filtered="only '{text}'",
    attention="only what needs attention",
    nothing_shown="no account to show here; Esc, / and e change that",
    first_look="asking every account for the first time",
    asks_next="asks next at {time}",
    asks_now="asks now",
    may_ask="may ask again at {time}",
    nobody="no account can be asked: waiting for an auth file to change",
    paused="paused; p resumes",
    dead="the upstream has not answered since {time}",
    keys="? help  q quit",
    typing="filter: {text}",
    help_title="Keys",
    help=(
        ("q", "quit"),
        ("r", "ask now; no account is asked twice within a minute"),
        ("s  S", "change the sorting; reverse it"),
        ("/", "show only accounts with this text in name or plan; Esc clears it"),
        ("e", "show only what needs attention"),
        ("p", "pause, and resume"),
        ("up down  PgUp PgDn  g G", "scroll; to the first, to the last"),
        ("•", "changed within the last minute"),
        ("≠", "the last answer said something else, which is not confirmed yet"),
        ("◆", "an extra limit is used up; started with --extra, it shows which"),
        (
            "lasts, 67 %, empty ~15:40",
            "whether a window runs out before its reset: no; perhaps; then",
        ),
    ),
    help_end="any key closes this",
)

CHINESE = LiveWords(
    hours="近 {hours} 小时",
    rows="第 {first}-{last} 个，共 {total} 个",
    sorts=("最好的在前", "按名字", "按剩余", "按下次重置"),
    sorted_by="{sort}",
    reversed="{sort}，倒序",
    filtered="只看“{text}”",
    attention="只看要留意的",
    nothing_shown="这里没有可显示的账号；按 Esc、/ 或 e 来改变",
    first_look="正在第一次查询每个账号",
    asks_next="下次查询：{time}",
    asks_now="马上查询",
    may_ask="最早 {time} 可以再查询",
    nobody="没有可查询的账号：等登录文件变化",
    paused="已暂停；按 p 继续",
    dead="服务端从 {time} 起没有应答",
    keys="? 帮助  q 退出",
    typing="筛选：{text}",
    help_title="按键",
    help=(
        ("q", "退出"),
        ("r", "马上查询；同一账号两次查询至少相隔一分钟"),
        ("s  S", "换一种排序；倒序"),
        ("/", "只看名字或套餐里有某些字的账号；Esc 结束"),
        ("e", "只看要留意的"),
        ("p", "暂停，继续"),
        ("↑ ↓  PgUp PgDn  g G", "滚动；到开头，到末尾"),
        ("•", "最近一分钟里有变化"),
        ("≠", "最近一次应答的数字不同，尚待确认"),
        ("◆", "附加额度已用完；启动时加 --extra 可看是哪个"),
        ("够用、67 %、约 15:40 用完", "重置之前会不会用完：不会；可能；会"),
    ),
    help_end="按任意键关闭",
)


def live_words(language: str) -> LiveWords:
    """Return the words of ``en`` or ``zh``."""
    return CHINESE if language == "zh" else ENGLISH
