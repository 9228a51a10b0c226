"""What each kind of failure says in tables, in English and in Chinese.

A kind has a sentence of its own in each language; what a message adds to it is translated
where it is always the same, and follows in English where it is not.
"""
# ruff: noqa: RUF001 - full-width punctuation is what Chinese is written with

from __future__ import annotations

from types import MappingProxyType

from poller.present.words import TOO_OFTEN, Sentence
from poller.values import FailureKind

_K = FailureKind

_EN_COPY = "log in again with codex, then copy the new auth.json here"
_EN_REFRESH = "poller --refresh, or log in with codex and copy again"

ENGLISH_FAILURES = MappingProxyType(
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
        _K.RATE_LIMITED: Sentence("turned away for now", "try again later, and poll less often"),
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
)

ENGLISH_BY_CODE = MappingProxyType(
    {
        (_K.UNAUTHORIZED, "token_expired"): Sentence("token expired", _EN_REFRESH),
        (_K.UNAUTHORIZED, "token_invalidated"): Sentence("login ended", _EN_COPY),
        (_K.UNAUTHORIZED, "token_revoked"): Sentence("login revoked", _EN_COPY),
        (_K.UNAUTHORIZED, "account_deactivated"): Sentence(
            "account closed", "remove the file; nothing brings it back from here"
        ),
        (_K.UNAUTHORIZED, "app_session_terminated"): Sentence("login ended", _EN_COPY),
        (_K.UNAUTHORIZED, "app_session_expired"): Sentence("login ended", _EN_COPY),
        (_K.UNAUTHORIZED, "account_session_expired"): Sentence("login ended", _EN_COPY),
        (_K.FORBIDDEN, "invalid_workspace_selected"): Sentence(
            "the file mixes two logins", _EN_COPY
        ),
        (_K.EDGE_BLOCKED, "unsupported_country_region_territory"): Sentence(
            "not reached, this region is not served",
            "use a network or --proxy whose exit lies elsewhere",
        ),
        (_K.RATE_LIMITED, TOO_OFTEN): Sentence(
            "asked too often, the quota is not used up", "poll less often, or with --rate"
        ),
        (_K.RATE_LIMITED, "usage_limit_reached"): Sentence(
            "quota used up, and the upstream tells no figures", "wait until it is reset"
        ),
    }
)

_ZH_COPY = "用 codex 重新登录，再复制新的 auth.json"
_ZH_REFRESH = "poller --refresh，或用 codex 登录再复制"

CHINESE_FAILURES = MappingProxyType(
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
        _K.PAYMENT_REQUIRED: Sentence("工作区欠费或已关闭", "联系工作区所有者；确已停用就删掉文件"),
        _K.FORBIDDEN: Sentence("没有权限", "在账号设置里确认允许使用 Codex"),
        _K.EDGE_BLOCKED: Sentence("请求在网络边缘被拦下，没有到达账号", "稍后再试，或换个网络"),
        _K.NOT_FOUND: Sentence("找不到用量接口", "稍后再试，或检查 --chatgpt-url"),
        _K.RATE_LIMITED: Sentence("暂时被拒", "稍后再试，并降低频率"),
        _K.SERVER_ERROR: Sentence("服务端故障", "稍后再试"),
        _K.HTTP_ERROR: Sentence("不认识的响应", "一直如此就看看有没有新版本"),
        _K.REDIRECT: Sentence(
            "被要求跳转，没有跟过去", "检查 --chatgpt-url，以及网络是否要先登录认证"
        ),
        _K.INVALID_RESPONSE: Sentence("返回的不是用量数据", "稍后再试；一直如此就看看有没有新版本"),
        _K.IDENTITY_MISMATCH: Sentence(
            "返回的是别的账号，数据不显示", "再跑一次；一直如此就用 codex 重新登录"
        ),
        _K.INTERNAL: Sentence("本程序的 bug", "请反馈"),
        _K.CANCELLED: Sentence("还没查询就被中止", "再跑一次"),
    }
)

CHINESE_BY_CODE = MappingProxyType(
    {
        (_K.UNAUTHORIZED, "token_expired"): Sentence("token 已过期", _ZH_REFRESH),
        (_K.UNAUTHORIZED, "token_invalidated"): Sentence("登录已失效", _ZH_COPY),
        (_K.UNAUTHORIZED, "token_revoked"): Sentence("登录已被吊销", _ZH_COPY),
        (_K.UNAUTHORIZED, "account_deactivated"): Sentence(
            "账号已关闭", "删掉文件，无法在这里恢复"
        ),
        (_K.UNAUTHORIZED, "app_session_terminated"): Sentence("登录已失效", _ZH_COPY),
        (_K.UNAUTHORIZED, "app_session_expired"): Sentence("登录已失效", _ZH_COPY),
        (_K.UNAUTHORIZED, "account_session_expired"): Sentence("登录已失效", _ZH_COPY),
        (_K.FORBIDDEN, "invalid_workspace_selected"): Sentence("文件里混了两次登录", _ZH_COPY),
        (_K.EDGE_BLOCKED, "unsupported_country_region_territory"): Sentence(
            "请求没有到达账号，所在地区不提供服务", "换一个出口在别处的网络或 --proxy"
        ),
        (_K.RATE_LIMITED, TOO_OFTEN): Sentence("问得太频繁，不影响额度", "降低频率，或加 --rate"),
        (_K.RATE_LIMITED, "usage_limit_reached"): Sentence(
            "额度已用完，接口没有给出数字", "等待重置"
        ),
    }
)

CHINESE_DETAILS = MappingProxyType(
    {
        "the file is empty": "空文件",
        "the file is not valid JSON": "不是有效的 JSON",
        "the file is not UTF-8 text": "不是 UTF-8 文本",
        "the file's JSON is not an object": "JSON 不是对象",
        "the file is larger than 1 MiB: not an auth file": "超过 1 MiB",
        "a folder, not a file": "是目录，不是文件",
        "not a regular file but a pipe, socket or device": "不是普通文件",
        "an API key only: it has no usage to show": "只有 API key，没有用量可查",
        "no OpenAI login in it, in any known shape": "没有认得出的 OpenAI 登录",
        "its token was issued by another service, not by OpenAI, and is not sent": (
            "token 由别的服务签发，不会发送"
        ),
        "no access token in it": "没有 access token",
        "no account id, neither beside the tokens nor in them": "没有账号 ID",
        "the account is no longer in its file": "文件里已没有这个账号",
        "a browser session token (sess-…) in place of an access token": (
            "是浏览器的会话 token（sess-…）"
        ),
        "not refreshed: the file holds no refresh token any more": ("文件里已没有 refresh token"),
        "not refreshed: the file holds another account by now": "文件已换成别的账号",
        "not refreshed: the file holds far more than logins": "文件里远不止登录",
        "not refreshed: this is the Codex CLI's own file, which a running codex may hold in"
        " memory": "这是 Codex CLI 自己的文件，运行中的 codex 可能还在用",
        "not refreshed: the Codex CLI's own file holds the same login, and codex would be"
        " logged out": "Codex CLI 自己的文件是同一登录，刷新会让 codex 掉线",
        "not refreshed: the file has a second name (a hard link), which would keep the old"
        " tokens": "文件有硬链接，那边会留着旧 token",
        "the upstream's answer was empty": "响应为空",
        "the upstream's answer is not JSON": "响应不是 JSON",
        "the upstream answered a web page where JSON belongs": "返回的是网页",
        "the file cannot be read": "",
        "the upstream's name was not found": "",
        "no trusted connection to the upstream": "",
        "could not connect to the proxy": "",
        "the connection was lost": "",
        "the answer was not valid HTTP": "",
        "the answer was cut short": "响应不完整",
        "before an answer": "没有响应",
        "the proxy's certificate": "代理的证书",
        "connection refused": "连接被拒绝",
    }
)
