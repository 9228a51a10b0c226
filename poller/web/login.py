"""The page that asks for the token."""

from __future__ import annotations

_WORDS = {
    "en": ("Log in", "Token", "Log in", "That is not the token.", "Opening poller …"),
    "zh": ("登录", "令牌", "登录", "令牌不正确。", "正在打开 poller…"),
}
_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>poller</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{refresh}
<link rel="stylesheet" href="/style.css"></head>
<body class="login"><main>{content}</main></body></html>
"""
_FORM = """<h1>{title}</h1>{wrong}<form method="post" action="/login">
<label for="token">{label}</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>{button}</button></form>"""


def login_page(language: str, *, wrong: bool = False, again: bool = False) -> bytes:
    """Return the page as UTF-8.

    ``wrong`` says that what was typed is not the token. ``again`` makes the browser ask for
    the same address at once in place of the form: from a page of this server it sends the
    login cookie along, which it does not where a link of another site was followed.
    """
    title, label, button, not_it, opening = _WORDS[language]
    if again:
        content, refresh = f"<p>{opening}</p>", '<meta http-equiv="refresh" content="0">'
    else:
        said = f'<p role="alert">{not_it}</p>' if wrong else ""
        content = _FORM.format(title=title, wrong=said, label=label, button=button)
        refresh = ""
    return _PAGE.format(language=language, refresh=refresh, content=content).encode()
