"""Everything people read in tables, in English and in Chinese.

JSON, kinds of failure and names of options stay English in both. What failures say stands
in ``failure_words``.
"""
# ruff: noqa: RUF001 - full-width punctuation is what Chinese is written with

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from poller.present.failure_words import (
    CHINESE_BY_CODE,
    CHINESE_DETAILS,
    CHINESE_FAILURES,
    ENGLISH_BY_CODE,
    ENGLISH_FAILURES,
)
from poller.present.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping


ENGLISH = Words(
    language="en",
    messages_fit=True,
    weekdays=("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    months=(
        *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
        *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    ),
    date="{weekday} {day} {month}",
    short_date="{day} {month}",
    with_year="{date} {year}",
    units=(" min", " h", " d"),
    long_units=(" minute| minutes", " hour| hours", " day| days"),
    under_a_minute="less than a minute",
    local_time="local time",
    quota="Codex quota left",
    files="Auth files, nothing sent",
    accounts="{count} account|{count} accounts",
    no_accounts="no accounts",
    zone="times in {zone}",
    now_and_zone="{now}, times in {zone}",
    account="account",
    plan="plan",
    windows=MappingProxyType(
        {
            "five_hour": "5h",
            "weekly": "week",
            "monthly": "month",
            "spend_limit": "spend limit",
            "code_review": "code review",
        }
    ),
    short_windows=MappingProxyType(
        {"five_hour": "5h", "weekly": "week", "monthly": "month", "spend_limit": "spend"}
    ),
    either="{one} or {other}",
    other="other",
    states=("usable", "unknown", "blocked", "failed"),
    on_credits="on credits",
    on_credits_left="on credits: {balance} left",
    on_credits_short="credits: {balance}",
    unlimited="on credits: unlimited",
    credits_unlimited="credits: unlimited",
    spend_left="spend limit: {amount} left",
    spent="spend limit reached",
    blocked_by="blocked by {reason}",
    reasons=MappingProxyType(
        {
            "rate_limit_reached": "the plan's limit",
            "workspace_owner_credits_depleted": "lack of workspace credits",
            "workspace_member_credits_depleted": "lack of member credits",
            "workspace_owner_usage_limit_reached": "the workspace's usage limit",
            "workspace_member_usage_limit_reached": "the member's usage limit",
        }
    ),
    extra_used_up="an extra limit is used up: {names} → --extra shows it",
    colon=": ",
    comma=", ",
    clause=", ",
    bracketed=" ({text})",
    more=" and {count} more",
    not_asked_of="{count} of them not asked",
    ago="{span} ago",
    waits="it asks to wait {span}",
    forecast="forecast",
    lasts="lasts",
    empty_about="empty ~{at}",
    together="left in total",
    together_exactly="{window} {lower} of {of}",
    together_between="{window} {lower} to {upper} of {of}",
    usable="{count} usable",
    paying="{count} on credits",
    unknown="{count} unknown",
    blocked="{count} blocked",
    back="back {at}",
    next_back="next back {at}",
    today_at="at {time}",
    later_at="{time}",
    failed="{count} failed",
    not_asked="{count} not asked",
    file="file",
    expires="token expires",
    refresh="--refresh",
    same="same as another",
    email="e-mail",
    expires_in="in {span}",
    refreshable=MappingProxyType(
        {
            "in_place": "works",
            "no_refresh_token": "no refresh token",
            "codex_home": "Codex's own file",
            "hard_link": "hard-linked file",
            "mounted": "mounted by itself",
            "not_a_file": "not a regular file",
            "not_writable": "not writable",
            "unsupported": "not on this system",
        }
    ),
    same_login="same login as {name}",
    same_account="same account as {name}",
    exposed="others on this machine can read {files} → chmod 600",
    can_be_polled="{count} can be polled",
    cannot="{count} cannot",
    next_expiry="next token expires in {span}",
    seconds=" s",
    minutes=" min",
    done="{count} done",
    left="{span} left",
    silent=(
        "the upstream has not answered for {silent}; giving up in {left}",
        "no answer for {silent}; {left} left",
    ),
    pausing=("the upstream asks for a pause of {left}", "pause of {left}"),
    same_logins=(
        "{first} and {second} are the same login"
        "|{first} and {second} are the same login ({more} more like it: poller list tells which)"
    ),
    same_logins_elsewhere=(
        "{first} and {second} are the same login"
        "|{first} and {second} are the same login ({more} more like it: their records have one key)"
    ),
    files_exposed="others on this machine can read {files}: chmod 600",
    ahead="{span} ahead of",
    behind="{span} behind",
    clock_off=(
        "this machine's clock is {offset} the upstream's: expiry and reset times may be judged"
        " wrongly"
    ),
    agents_lost=(
        "lost before they listed their accounts: {names}; see what poller agent says there"
    ),
    agent_without_accounts="agent {name} has no accounts: {trouble}",
    agent_clock_off="the clock of agent {name} is {offset} this machine's",
    fewer_at_once=(
        "concurrency lowered from {asked} to {most}: this process may open few files (ulimit -n)"
    ),
    renewed="renewed the login of {names}|renewed the logins of {names}",
    fail_under="less than {percent}% left or blocked: {names}",
    need="{usable} of {count} can be used, {need} needed",
    failures=ENGLISH_FAILURES,
    by_code=ENGLISH_BY_CODE,
    details=MappingProxyType({}),
    use_codex="use codex once with this login, or log in again",
    log_in_again="log in with codex and copy again",
)


CHINESE = Words(
    language="zh",
    messages_fit=False,
    weekdays=("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    months=tuple(f"{number}月" for number in range(1, 13)),
    date="{number:02}-{day:02} {weekday}",
    short_date="{number:02}-{day:02}",
    with_year="{year}-{date}",
    units=(" 分钟", " 小时", " 天"),
    long_units=(" 分钟", " 小时", " 天"),
    under_a_minute="不到 1 分钟",
    local_time="本地时间",
    quota="Codex 剩余额度",
    files="登录文件（未发送请求）",
    accounts="{count} 个账号",
    no_accounts="没有账号",
    zone="时区 {zone}",
    now_and_zone="{now}，时区 {zone}",
    account="账号",
    plan="套餐",
    windows=MappingProxyType(
        {
            "five_hour": "5 小时",
            "weekly": "周",
            "monthly": "月",
            "spend_limit": "消费上限",
            "code_review": "代码审查",
        }
    ),
    short_windows=MappingProxyType(
        {"five_hour": "5h", "weekly": "周", "monthly": "月", "spend_limit": "消费"}
    ),
    either="{one}或{other}",
    other="其他",
    states=("可用", "未知", "受限", "失败"),
    on_credits="正在用点数",
    on_credits_left="正在用点数：剩 {balance}",
    on_credits_short="点数：{balance}",
    unlimited="正在用点数：不限",
    credits_unlimited="点数不限",
    spend_left="消费上限：剩 {amount}",
    spent="已到消费上限",
    blocked_by="受限：{reason}",
    reasons=MappingProxyType(
        {
            "rate_limit_reached": "套餐额度用完",
            "workspace_owner_credits_depleted": "工作区点数用完",
            "workspace_member_credits_depleted": "成员点数用完",
            "workspace_owner_usage_limit_reached": "到达工作区用量上限",
            "workspace_member_usage_limit_reached": "到达成员用量上限",
        }
    ),
    extra_used_up="附加额度已用完：{names} → 用 --extra 查看",
    colon="：",
    comma="、",
    clause="，",
    bracketed="（{text}）",
    more=" 等共 {total} 个",
    not_asked_of="其中 {count} 个没有查询",
    ago="{span}前",
    waits="要求等待 {span}",
    forecast="预测",
    lasts="够用",
    empty_about="约 {at} 用完",
    together="合计剩余",
    together_exactly="{window} {lower}/{of}",
    together_between="{window} {lower} 至 {upper}/{of}",
    usable="{count} 个可用",
    paying="{count} 个在用点数",
    unknown="{count} 个未知",
    blocked="{count} 个受限",
    back="{at}恢复",
    next_back="最早 {at}恢复",
    today_at="{time} ",
    later_at="{time} ",
    failed="{count} 个失败",
    not_asked="{count} 个未查询",
    file="文件",
    expires="token 到期",
    refresh="--refresh",
    same="重复",
    email="邮箱",
    expires_in="{span}后",
    refreshable=MappingProxyType(
        {
            "in_place": "可以",
            "no_refresh_token": "没有 refresh token",
            "codex_home": "Codex 自己的文件",
            "hard_link": "文件有硬链接",
            "mounted": "单独挂载的文件",
            "not_a_file": "不是普通文件",
            "not_writable": "不可写",
            "unsupported": "此系统不支持",
        }
    ),
    same_login="与 {name} 同一登录",
    same_account="与 {name} 同一账号",
    exposed="本机其他用户可以读取：{files} → chmod 600",
    can_be_polled="{count} 个可以查询",
    cannot="{count} 个不能",
    next_expiry="下一个 token 在 {span}后到期",
    seconds=" 秒",
    minutes=" 分钟",
    done="已完成 {count} 个",
    left="还需 {span}",
    silent=(
        "接口已经 {silent}没有响应，再等 {left}就放弃",
        "{silent}没有响应，再等 {left}",
    ),
    pausing=("接口要求暂停 {left}", "暂停 {left}"),
    same_logins=(
        "{first} 与 {second} 是同一登录"
        "|{first} 与 {second} 是同一登录，另有 {more} 个重复：用 poller list 查看"
    ),
    same_logins_elsewhere=(
        "{first} 与 {second} 是同一登录"
        "|{first} 与 {second} 是同一登录，另有 {more} 个重复：它们的记录 key 相同"
    ),
    files_exposed="本机其他用户可以读取 {files}：请 chmod 600",
    agents_lost="以下代理在报告账号之前失联：{names}；请到该机器上查看 poller agent 的输出",
    agent_without_accounts="代理 {name} 没有账号：{trouble}",
    ahead="快 {span}",
    behind="慢 {span}",
    agent_clock_off="代理 {name} 的时钟比本机{offset}",
    clock_off="本机时钟比服务器{offset}：到期和重置时间可能判断有误",
    fewer_at_once="并发数从 {asked} 降到 {most}：本进程能打开的文件太少（ulimit -n）",
    renewed="已刷新登录：{names}",
    fail_under="剩余不到 {percent}% 或受限：{names}",
    need="{count} 个账号中 {usable} 个可用，需要 {need} 个",
    failures=CHINESE_FAILURES,
    by_code=CHINESE_BY_CODE,
    details=CHINESE_DETAILS,
    use_codex="用 codex 跑一次该账号，或重新登录",
    log_in_again="用 codex 登录再复制",
)

_LANGUAGES = MappingProxyType({"en": ENGLISH, "zh": CHINESE})


def words_of(language: str, *, unicode: bool = True) -> Words:
    """Return the words of ``en`` or ``zh``; English where only ASCII can be shown."""
    return _LANGUAGES[language] if unicode else ENGLISH


def language_of(environ: Mapping[str, str]) -> str:
    """Return ``zh`` where the environment asks for Chinese, else ``en``, as gettext would."""
    names = (environ.get(key) for key in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next(filter(None, names), "C")
    if locale.partition(".")[0] in ("C", "POSIX"):
        return "en"
    return "zh" if (environ.get("LANGUAGE") or locale).startswith("zh") else "en"
