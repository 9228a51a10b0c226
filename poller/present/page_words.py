"""What report and page say beside the tables' words, in English and in Chinese."""
# ruff: noqa: RUF001 - full-width punctuation is what Chinese is written with

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from poller.insight.changes import ChangeKind
from poller.insight.choice import Obstacle

if TYPE_CHECKING:
    from collections.abc import Mapping

_C = ChangeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWords:
    """One language. ``{…}`` is filled in; ``one|many`` is chosen by a number."""

    lang: str
    """What HTML calls the language."""
    title: str
    demo: str
    as_of: str
    asks_next: str
    dead_since: str
    windows: Mapping[str, str]
    """Names within a sentence; others are called as in tables."""
    parts: Mapping[str, str]
    """What something is left of; others are called as within a sentence."""
    single: Mapping[str, str]
    """What resets first; likewise."""

    usable: str
    known_usable: str
    """Where none can be used for certain, but perhaps one of those that failed."""
    use: str
    left_of: str
    both: str
    """Between two windows."""
    resets_first: str
    not_begun: str
    no_windows: str
    costs: str
    none_usable: str
    obstacles: Mapping[Obstacle, str]
    next_back: str

    pool: str
    window: str
    left: str
    share: str
    exact: str
    range: str
    dry: str
    dry_until: str
    dry_range: str
    perhaps_dry: str
    not_dry: str

    accounts: str
    state: str
    cut: str
    filter: str
    under_bars: str
    apply: str
    none_found: str
    unknown: str
    left_now: str
    unstarted: str
    resets_at: str
    blocked_until: str
    failed: str
    answered: str
    never_answered: str
    doubted: str
    extra_limits: str

    timeline: str
    hour: str
    returns: str
    told_resets: str
    at: str
    frees: str
    nothing_returns: str
    resets_cut: str

    trouble: str
    no_trouble: str
    changed: str
    changed_since: str
    unchanged: str
    changes: Mapping[ChangeKind, tuple[str, str]]
    """Of one window, and where none is named."""
    changes_cut: str

    curves: str
    now: str
    legend_curve: str
    legend_forecast: str
    legend_blocked: str
    legend_failed: str
    legend_gap: str
    legend_reset: str
    chart: str
    chart_left: str
    chart_nothing: str
    chart_lowest: str
    chart_resets: str
    chart_gaps: str
    chart_blocked: str
    chart_failed: str

    will_run_out: str
    may_run_out: str
    lasts: str
    empty_at: str
    lasts_at_pace: str
    unless_reset: str
    rough: str
    stop: str
    between: str
    """Between two sentences."""
    brief_lasts: str
    brief_runs_out: str
    brief_empty: str

    contents: str
    to_top: str
    overview: str
    ranges: Mapping[str, str]
    range_label: str
    no_history: str
    history_unread: str
    live: str
    not_live: str

    login: str
    token: str
    log_in: str
    wrong_token: str

    def counted(self, text: str, count: int) -> str:
        """Return ``text`` with the number in it, in its singular or plural."""
        one, _, many = text.partition("|")
        return (one if count == 1 else many or one).format(count=count)


ENGLISH_PAGE = PageWords(
    lang="en",
    title="Codex quota left",
    demo="Made-up accounts: nothing here is real.",
    as_of="As of {now}, times in {zone}.",
    asks_next="Asks next at {at}.",
    dead_since="The upstream has not answered since {at}: figures are as old as they say.",
    windows=MappingProxyType({"five_hour": "five hours", "weekly": "week", "monthly": "month"}),
    parts=MappingProxyType({"weekly": "the week", "monthly": "the month"}),
    single=MappingProxyType({"five_hour": "five-hour window"}),
    usable="{count} of {total} can be used",
    known_usable="{count} of {total} known to be usable",
    use="Use {account} now: {reason}.",
    left_of="{percent} of {window}",
    both=" and ",
    resets_first="{left} left; its {window} resets first ({at})",
    not_begun="{left} left",
    no_windows="it can be used, and nothing says how much is left",
    costs="it runs on credits, which cost money",
    none_usable="No account to use now: {why}.",
    obstacles=MappingProxyType(
        {
            Obstacle.FAILED: "{count} failed",
            Obstacle.UNKNOWN: "nothing is known of {count}",
            Obstacle.BLOCKED: "{count} blocked|{count} are blocked",
            Obstacle.TOO_LITTLE: "{count} nearly empty",
            Obstacle.RUNS_OUT: "{count} about to run out",
        }
    ),
    next_back="Back next: {account}, {at} (in {span}).",
    pool="All together",
    window="Window",
    left="Left",
    share="Share",
    exact="{lower} of {of}",
    range="{lower} to {upper} of {of}",
    dry="At this pace nothing is left from {at} on.",
    dry_until="At this pace nothing is left from {at} on; {account} is back {back}.",
    dry_range="At this pace nothing is left from some time between {soonest} and {latest} on.",
    perhaps_dry="At this pace nothing may be left from {at} on: some accounts are unknown.",
    not_dry="At this pace something is left throughout the next 24 hours.",
    accounts="Accounts",
    state="State",
    cut="{shown} of {total} accounts are shown: type a name and press Enter for the others.",
    filter="Filter by name",
    under_bars="Under a bar: when the window resets, and its forecast.",
    apply="Filter",
    none_found="No account has such a name.",
    unknown="unknown",
    left_now="{percent} left",
    unstarted="not begun",
    resets_at="resets {at}",
    blocked_until="back {at}",
    failed="failed",
    answered="figures from {at}",
    never_answered="never answered",
    doubted="{percent} in the last answer, not confirmed yet",
    extra_limits="Extra limits",
    timeline="What comes back",
    hour="Hour from",
    returns="Whole windows that come back",
    told_resets="Resets ahead",
    at="When",
    frees="can be used again",
    nothing_returns="Nothing comes back within 24 hours.",
    resets_cut="{count} later one not shown.|{count} later ones not shown.",
    trouble="What needs attention",
    no_trouble="Every account answers.",
    changed="What changed",
    changed_since="What changed since {at}",
    unchanged="Nothing but percentages.",
    changes=MappingProxyType(
        {
            _C.EXHAUSTED: ("{account}: {window} used up", "{account}: blocked"),
            _C.BACK: ("{account}: {window} back to {after}", "{account}: back"),
            _C.LOW: ("{account}: {window} down to {after}", "{account}: down to {after}"),
            _C.RESET: ("{account}: {window} reset", "{account}: reset"),
            _C.EARLY_RESET: ("{account}: {window} reset early", "{account}: reset early"),
            _C.FAILED: ("{account}: {after}", "{account}: {after}"),
            _C.RESTORED: ("{account}: answers again", "{account}: answers again"),
            _C.PLAN_CHANGED: (
                "{account}: plan {before} → {after}",
                "{account}: plan {before} → {after}",
            ),
            _C.APPEARED: ("{account}: new", "{account}: new"),
            _C.GONE: ("{account}: gone", "{account}: gone"),
            _C.FLEET_RESET: (
                "{count} accounts: {window} reset early",
                "{count} accounts were reset early",
            ),
        }
    ),
    changes_cut="{count} more not shown.|{count} more not shown.",
    curves="Curves",
    now="now",
    legend_curve="left, in percent",
    legend_forecast="forecast: the pace, and ▼ with a dotted wedge for when it runs out",
    legend_blocked="blocked",
    legend_failed="asking failed",
    legend_gap="a gap in the curve: nobody looked",
    legend_reset="reset",
    chart="{account}: {window}, {since} to {until}",
    chart_left="{percent} left at {at}.",
    chart_nothing="Nothing was recorded in this time.",
    chart_lowest="Lowest: {percent}, {at}.",
    chart_resets="{count} reset.|{count} resets.",
    chart_gaps="{count} gap in which nobody looked.|{count} gaps in which nobody looked.",
    chart_blocked="Blocked for {span}.",
    chart_failed="{count} poll failed.|{count} polls failed.",
    will_run_out="{chance}: will run out before its reset, most likely between {start} and {end}",
    may_run_out="{chance}: may run out before its reset, most likely between {start} and {end}",
    lasts="{chance}: lasts until its reset",
    empty_at="At this pace empty {at}",
    lasts_at_pace="At this pace something is left at its reset",
    unless_reset=", unless it is reset earlier",
    rough=" (rough: less than a week is known)",
    stop=".",
    between=" ",
    brief_lasts="lasts, {chance}",
    brief_runs_out="{chance}: empty {start}–{end}",
    brief_empty="empty ~{at}",
    contents="On this page",
    to_top="to the top",
    overview="All accounts",
    ranges=MappingProxyType({"24h": "24 hours", "7d": "7 days", "30d": "30 days"}),
    range_label="Time shown",
    no_history="No window of this account has been recorded yet.",
    history_unread="The history cannot be read now: there are no curves.",
    live="Live: this page updates by itself.",
    not_live="Not live: reconnecting. Reload the page for the latest.",
    login="Log in",
    token="Token",  # noqa: S106 - a label
    log_in="Log in",
    wrong_token="That is not the token.",  # noqa: S106 - likewise
)

CHINESE_PAGE = PageWords(
    lang="zh-CN",
    title="Codex 剩余额度",
    demo="虚构的账号：以下内容都不是真的。",
    as_of="{now}，时区 {zone}。",
    asks_next="下次查询：{at}。",
    dead_since="接口自 {at} 起没有应答：数据的时间见各行。",
    windows=MappingProxyType({"five_hour": "5 小时额度", "weekly": "周额度", "monthly": "月额度"}),
    parts=MappingProxyType({"weekly": "周额度", "monthly": "月额度"}),
    single=MappingProxyType({"five_hour": "5 小时额度"}),
    usable="{total} 个账号中 {count} 个可用",
    known_usable="{total} 个账号中 {count} 个确定可用",
    use="现在用 {account}：{reason}。",
    left_of="{window} {percent}",
    both="、",
    resets_first="剩 {left}；{window}最早重置（{at}）",
    not_begun="剩 {left}",
    no_windows="可用，剩余多少未知",
    costs="正在用点数，需要付费",
    none_usable="现在没有可用的账号：{why}。",
    obstacles=MappingProxyType(
        {
            Obstacle.FAILED: "{count} 个失败",
            Obstacle.UNKNOWN: "{count} 个未知",
            Obstacle.BLOCKED: "{count} 个受限",
            Obstacle.TOO_LITTLE: "{count} 个所剩无几",
            Obstacle.RUNS_OUT: "{count} 个即将用完",
        }
    ),
    next_back="最早恢复：{account}，{at}（{span}后）。",
    pool="总计",
    window="窗口",
    left="剩余",
    share="占比",
    exact="{lower}，共 {of}",
    range="{lower} 至 {upper}，共 {of}",
    dry="按目前速度，{at} 起全部用完。",
    dry_until="按目前速度，{at} 起全部用完；{account} {back} 恢复。",
    dry_range="按目前速度，{soonest} 至 {latest} 之间起全部用完。",
    perhaps_dry="按目前速度，{at} 起可能全部用完：有账号未知。",
    not_dry="按目前速度，24 小时内不会全部用完。",
    accounts="账号",
    state="状态",
    cut="共 {total} 个账号，显示 {shown} 个：其余请输入名称后按回车。",
    filter="按名称筛选",
    under_bars="条形下方是重置时间和预测。",
    apply="筛选",
    none_found="没有这样的账号。",
    unknown="未知",
    left_now="剩 {percent}",
    unstarted="未开始",
    resets_at="{at} 重置",
    blocked_until="{at} 恢复",
    failed="失败",
    answered="数据为 {at}",
    never_answered="从未应答",
    doubted="最近一次应答为 {percent}，尚待确认",
    extra_limits="附加额度",
    timeline="何时恢复",
    hour="起始时间",
    returns="恢复的完整窗口数",
    told_resets="将到的重置",
    at="时间",
    frees="恢复可用",
    nothing_returns="24 小时内没有额度恢复。",
    resets_cut="另有 {count} 个更晚的没有列出。",
    trouble="需要处理",
    no_trouble="所有账号都有应答。",
    changed="变化",
    changed_since="{at} 以来的变化",
    unchanged="只有百分比变化。",
    changes=MappingProxyType(
        {
            _C.EXHAUSTED: ("{account}：{window}用完", "{account}：受限"),
            _C.BACK: ("{account}：{window}又有 {after}", "{account}：恢复可用"),
            _C.LOW: ("{account}：{window}降到 {after}", "{account}：降到 {after}"),
            _C.RESET: ("{account}：{window}已重置", "{account}：已重置"),
            _C.EARLY_RESET: ("{account}：{window}提前重置", "{account}：提前重置"),
            _C.FAILED: ("{account}：{after}", "{account}：{after}"),
            _C.RESTORED: ("{account}：重新有应答", "{account}：重新有应答"),
            _C.PLAN_CHANGED: (
                "{account}：套餐 {before} → {after}",
                "{account}：套餐 {before} → {after}",
            ),
            _C.APPEARED: ("{account}：新增", "{account}：新增"),
            _C.GONE: ("{account}：已移除", "{account}：已移除"),
            _C.FLEET_RESET: ("{count} 个账号：{window}提前重置", "{count} 个账号提前重置"),
        }
    ),
    changes_cut="另有 {count} 项没有列出。",
    curves="曲线",
    now="现在",
    legend_curve="剩余百分比",
    legend_forecast="预测：虚线为当前速度，▼ 和点状区域为预计用完的时间",
    legend_blocked="受限",
    legend_failed="查询失败",
    legend_gap="曲线中断：没有查询",
    legend_reset="重置",
    chart="{account}：{window}，{since} 至 {until}",
    chart_left="{at} 剩 {percent}。",
    chart_nothing="这段时间没有数据。",
    chart_lowest="最低 {percent}，{at}。",
    chart_resets="重置 {count} 次。",
    chart_gaps="{count} 段时间没有查询。",
    chart_blocked="受限 {span}。",
    chart_failed="{count} 次查询失败。",
    will_run_out="{chance}：将在重置前用完，最可能在 {start} 至 {end} 之间",
    may_run_out="{chance}：可能在重置前用完，最可能在 {start} 至 {end} 之间",
    lasts="{chance}：够用到重置",
    empty_at="按目前速度 {at} 用完",
    lasts_at_pace="按目前速度，重置时仍有剩余",
    unless_reset="（除非提前重置）",
    rough="（粗略：数据不足一周）",
    stop="。",
    between="",
    brief_lasts="够用，{chance}",
    brief_runs_out="{chance}：{start}–{end} 用完",
    brief_empty="约 {at} 用完",
    contents="目录",
    to_top="回到顶部",
    overview="全部账号",
    ranges=MappingProxyType({"24h": "24 小时", "7d": "7 天", "30d": "30 天"}),
    range_label="时间范围",
    no_history="还没有记录过这个账号的窗口。",
    history_unread="暂时无法读取历史记录，因此没有曲线。",
    live="实时：页面随查询更新。",
    not_live="未连接：正在重试。刷新页面可看最新数据。",
    login="登录",
    token="令牌",  # noqa: S106 - a label
    log_in="登录",
    wrong_token="令牌不对。",  # noqa: S106 - likewise
)

_PAGES = MappingProxyType({"en": ENGLISH_PAGE, "zh": CHINESE_PAGE})


def page_words_of(language: str) -> PageWords:
    """Return the words of ``en`` or ``zh``."""
    return _PAGES[language]
