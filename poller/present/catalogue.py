"""Everything people read in tables, in English and in Chinese.

JSON, kinds of failure and names of options stay English in both. A kind of failure has a
sentence of its own in each language; what a message adds to it is translated where it is
always the same, and follows in English where it is not.
"""
# ruff: noqa: RUF001 - full-width punctuation is what Chinese is written with

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from poller.present.words import Sentence, Words
from poller.values import FailureKind

if TYPE_CHECKING:
    from collections.abc import Mapping

_K = FailureKind

_EN_COPY = "log in again with codex, then copy the new auth.json here"
_EN_REFRESH = "poller --refresh, or log in with codex and copy again"

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
        "|{first} and {second} are the same login, and {more} more are copies, too:"
        " poller list tells which"
    ),
    files_exposed="others on this machine can read {files}: chmod 600",
    clock_off=(
        "this machine's clock is off by {offset} against the upstream's: expiry and reset times"
        " may be judged wrongly"
    ),
    agents_lost=("lost before they told their accounts: {names}; see what poller agent says there"),
    agent_clock_off="the clock of agent {name} is off by {offset} against this machine's",
    fewer_at_once=(
        "concurrency lowered from {asked} to {most}: this process may open few files (ulimit -n)"
    ),
    renewed="renewed the login of {names}|renewed the logins of {names}",
    fail_under="less than {percent}% left or blocked: {names}",
    need="{usable} of {count} can be used, {need} needed",
    failures=MappingProxyType(
        {
            _K.FILE_MISSING: Sentence("no such file", "check the path, or leave the account out"),
            _K.FILE_UNREADABLE: Sentence("file not readable", "make it readable for your user"),
            _K.FILE_INVALID: Sentence("not an auth file", "copy the auth file again, whole"),
            _K.NO_CREDENTIALS: Sentence("no login in the file", _EN_COPY),
            _K.INVALID_TOKEN: Sentence("unusable token", _EN_COPY),
            _K.TOKEN_EXPIRED: Sentence("token expired", _EN_REFRESH),
            _K.LOGIN_REQUIRED: Sentence("login ended", _EN_COPY),
            _K.REFRESH_LOCKED: Sentence(
                "not refreshed, another process is busy with the login",
                "nothing was sent: run again",
            ),
            _K.REFRESH_UNKNOWN: Sentence(
                "refresh sent, no reply", "use the login in codex once, or log in again"
            ),
            _K.REFRESH_UNSAVED: Sentence(
                "new tokens not saved", "fix the cause, then poller --refresh again"
            ),
            _K.REFRESH_REFUSED: Sentence("not refreshed", "use codex once with this login"),
            _K.DNS: Sentence("server name not found", "check the network and --chatgpt-url"),
            _K.CONNECT: Sentence("could not connect", "check the network or firewall"),
            _K.TLS: Sentence(
                "no trusted connection",
                "if a company proxy signs for it, trust its certificate with --ca-file",
            ),
            _K.PROXY: Sentence(
                "the proxy did not connect", "check --proxy, or HTTPS_PROXY in the environment"
            ),
            _K.TIMEOUT: Sentence(
                "no complete answer in time", "check the network, or allow more with --timeout"
            ),
            _K.CONNECTION_LOST: Sentence("connection lost", "try again"),
            _K.PROTOCOL: Sentence("the answer was not HTTP", "check --chatgpt-url and the proxy"),
            _K.DEADLINE: Sentence(
                "out of time",
                "try again later, or allow more with --account-deadline or --deadline",
            ),
            _K.CIRCUIT_OPEN: Sentence(
                "not asked, the upstream looks dead",
                "try again later, or wait longer with --patience",
            ),
            _K.LOCAL_RESOURCE: Sentence(
                "this machine ran out of files or memory",
                "raise the limit (ulimit -n) or lower --concurrency",
            ),
            _K.WORKER_LOST: Sentence("the agent that asked was lost", "run again"),
            _K.UNAUTHORIZED: Sentence("token refused", _EN_REFRESH),
            _K.PAYMENT_REQUIRED: Sentence(
                "workspace unpaid or closed",
                "ask the workspace's owner; remove the file if it is closed",
            ),
            _K.FORBIDDEN: Sentence(
                "no permission", "check in the account's settings that Codex is allowed"
            ),
            _K.EDGE_BLOCKED: Sentence(
                "not reached, blocked by a network filter",
                "try again later, or from another network",
            ),
            _K.NOT_FOUND: Sentence(
                "usage endpoint not found", "try again later, or check --chatgpt-url"
            ),
            _K.RATE_LIMITED: Sentence(
                "asked too often, the quota is not used up", "poll less often, or with --rate"
            ),
            _K.SERVER_ERROR: Sentence("upstream error", "try again later"),
            _K.HTTP_ERROR: Sentence(
                "unexpected answer",
                "if it persists, the upstream has changed: look for a newer version",
            ),
            _K.REDIRECT: Sentence(
                "redirected elsewhere, not followed",
                "check --chatgpt-url, and whether the network wants you to log in",
            ),
            _K.INVALID_RESPONSE: Sentence(
                "answer not understood", "try again later; if it persists, look for a newer version"
            ),
            _K.IDENTITY_MISMATCH: Sentence(
                "answered for another account, figures not shown",
                "try again; if it persists, log in again with codex",
            ),
            _K.INTERNAL: Sentence("a bug in this program", "please report it"),
            _K.CANCELLED: Sentence("stopped before they were asked", "run again"),
        }
    ),
    by_code=MappingProxyType(
        {
            (_K.UNAUTHORIZED, "token_expired"): Sentence("token expired", _EN_REFRESH),
            (_K.UNAUTHORIZED, "token_invalidated"): Sentence("login ended", _EN_COPY),
            (_K.UNAUTHORIZED, "token_revoked"): Sentence("login revoked", _EN_COPY),
            (_K.UNAUTHORIZED, "account_deactivated"): Sentence(
                "account closed", "remove the file; nothing brings it back from here"
            ),
            (_K.FORBIDDEN, "invalid_workspace_selected"): Sentence(
                "the file mixes two logins", _EN_COPY
            ),
        }
    ),
    details=MappingProxyType({}),
    log_in_again="log in with codex and copy again",
)

_ZH_COPY = "用 codex 重新登录，再复制新的 auth.json"
_ZH_REFRESH = "poller --refresh，或用 codex 登录再复制"

CHINESE = Words(
    language="zh",
    messages_fit=False,
    weekdays=("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    months=tuple(f"{number}月" for number in range(1, 13)),
    date="{number:02}-{day:02} {weekday}",
    short_date="{number:02}-{day:02}",
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
    files_exposed="本机其他用户可以读取 {files}：请 chmod 600",
    agents_lost="以下代理在报告账号之前失联：{names}；请到该机器上查看 poller agent 的输出",
    agent_clock_off="代理 {name} 的时钟与本机相差 {offset}",
    clock_off="本机时钟与服务器相差 {offset}：到期和重置时间可能判断有误",
    fewer_at_once="并发数从 {asked} 降到 {most}：本进程能打开的文件太少（ulimit -n）",
    renewed="已刷新登录：{names}",
    fail_under="剩余不到 {percent}% 或受限：{names}",
    need="{count} 个账号中 {usable} 个可用，需要 {need} 个",
    failures=MappingProxyType(
        {
            _K.FILE_MISSING: Sentence("文件不存在", "检查路径，或不再列出该账号"),
            _K.FILE_UNREADABLE: Sentence("文件读不了", "给当前用户读取权限"),
            _K.FILE_INVALID: Sentence("不是完整的登录文件", "重新完整复制一份"),
            _K.NO_CREDENTIALS: Sentence("文件里没有登录信息", _ZH_COPY),
            _K.INVALID_TOKEN: Sentence("token 不能用", _ZH_COPY),
            _K.TOKEN_EXPIRED: Sentence("token 已过期", _ZH_REFRESH),
            _K.LOGIN_REQUIRED: Sentence("登录已失效", _ZH_COPY),
            _K.REFRESH_LOCKED: Sentence("没有刷新，别的程序正占用该登录", "请求没有发出：再跑一次"),
            _K.REFRESH_UNKNOWN: Sentence(
                "刷新请求已发出，没有答复", "用 codex 跑一次该账号，或重新登录"
            ),
            _K.REFRESH_UNSAVED: Sentence("新 token 没能保存", "排除问题后再跑 poller --refresh"),
            _K.REFRESH_REFUSED: Sentence("没有刷新", "用 codex 跑一次该账号"),
            _K.DNS: Sentence("域名解析失败", "检查网络和 --chatgpt-url"),
            _K.CONNECT: Sentence("连不上服务器", "检查网络或防火墙"),
            _K.TLS: Sentence("证书校验不通过", "公司代理：用 --ca-file 指定它的证书"),
            _K.PROXY: Sentence("代理连不上或拒绝服务", "检查 --proxy 或环境变量 HTTPS_PROXY"),
            _K.TIMEOUT: Sentence("规定时间内没有完整响应", "检查网络，或调大 --timeout"),
            _K.CONNECTION_LOST: Sentence("连接中断", "再跑一次"),
            _K.PROTOCOL: Sentence("收到的不是 HTTP", "检查 --chatgpt-url 和代理"),
            _K.DEADLINE: Sentence("时限已到", "稍后再试，或调大 --account-deadline、--deadline"),
            _K.CIRCUIT_OPEN: Sentence("接口整体不可用，没有查询", "稍后再试，或调大 --patience"),
            _K.LOCAL_RESOURCE: Sentence(
                "本机文件句柄或内存不足", "调高 ulimit -n，或调小 --concurrency"
            ),
            _K.WORKER_LOST: Sentence("负责查询的机器失联", "再跑一次"),
            _K.UNAUTHORIZED: Sentence("token 被拒绝", _ZH_REFRESH),
            _K.PAYMENT_REQUIRED: Sentence(
                "工作区欠费或已关闭", "联系工作区所有者；确已停用就删掉文件"
            ),
            _K.FORBIDDEN: Sentence("没有权限", "在账号设置里确认允许使用 Codex"),
            _K.EDGE_BLOCKED: Sentence("请求在网络边缘被拦下，没有到达账号", "稍后再试，或换个网络"),
            _K.NOT_FOUND: Sentence("找不到用量接口", "稍后再试，或检查 --chatgpt-url"),
            _K.RATE_LIMITED: Sentence("问得太频繁，不影响额度", "降低频率，或加 --rate"),
            _K.SERVER_ERROR: Sentence("服务端故障", "稍后再试"),
            _K.HTTP_ERROR: Sentence("不认识的响应", "一直如此就看看有没有新版本"),
            _K.REDIRECT: Sentence(
                "被要求跳转，没有跟过去", "检查 --chatgpt-url，以及网络是否要先登录认证"
            ),
            _K.INVALID_RESPONSE: Sentence(
                "返回的不是用量数据", "稍后再试；一直如此就看看有没有新版本"
            ),
            _K.IDENTITY_MISMATCH: Sentence(
                "返回的是别的账号，数据不显示", "再跑一次；一直如此就用 codex 重新登录"
            ),
            _K.INTERNAL: Sentence("本程序的 bug", "请反馈"),
            _K.CANCELLED: Sentence("还没查询就被中止", "再跑一次"),
        }
    ),
    by_code=MappingProxyType(
        {
            (_K.UNAUTHORIZED, "token_expired"): Sentence("token 已过期", _ZH_REFRESH),
            (_K.UNAUTHORIZED, "token_invalidated"): Sentence("登录已失效", _ZH_COPY),
            (_K.UNAUTHORIZED, "token_revoked"): Sentence("登录已被吊销", _ZH_COPY),
            (_K.UNAUTHORIZED, "account_deactivated"): Sentence(
                "账号已关闭", "删掉文件，无法在这里恢复"
            ),
            (_K.FORBIDDEN, "invalid_workspace_selected"): Sentence("文件里混了两次登录", _ZH_COPY),
        }
    ),
    details=MappingProxyType(
        {
            "the file is empty": "空文件",
            "the file is not valid JSON": "不是有效的 JSON",
            "the file is not UTF-8 text": "不是 UTF-8 文本",
            "the file's JSON is not an object": "JSON 不是对象",
            "the file is larger than 1 MiB: not an auth file": "超过 1 MiB",
            "a folder, not a file": "是目录，不是文件",
            "not a regular file but a pipe, socket or device": "不是普通文件",
            "an API key only: it has no usage to show": "只有 API key，没有用量可查",
            "no login of OpenAI's in it, in any known shape": "没有认得出的 OpenAI 登录",
            "its token was issued by another service, not by OpenAI, and is not sent": (
                "token 由别的服务签发，不会发送"
            ),
            "no access token in it": "没有 access token",
            "no account id, neither beside the tokens nor in them": "没有账号 ID",
            "the account is no longer in its file": "文件里已没有这个账号",
            "a browser session token (sess-…) in place of an access token": (
                "是浏览器的会话 token（sess-…）"
            ),
            "not refreshed: the file holds no refresh token any more": (
                "文件里已没有 refresh token"
            ),
            "not refreshed: the file holds another account by now": "文件已换成别的账号",
            "not refreshed: this is the Codex CLI's own file, which a running codex may hold in"
            " memory": "这是 Codex CLI 自己的文件，运行中的 codex 可能还在用",
            "not refreshed: the Codex CLI's own file holds the same login, and codex would be"
            " logged out": "Codex CLI 自己的文件是同一登录，刷新会让 codex 掉线",
            "not refreshed: the file has a second name (a hard link), which would keep the old"
            " tokens": "文件有硬链接，那边会留着旧 token",
            "the upstream's answer was empty": "响应为空",
            "the upstream's answer is not JSON": "响应不是 JSON",
            "the upstream answered a web page where JSON belongs": "返回的是网页",
        }
    ),
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
