"""Where requests may go (upstream, token endpoint, proxies, NATS servers), and where to listen.

A token goes wherever these say, so they are strict: a URL that two parsers could read
differently is refused.
"""

from __future__ import annotations

from poller.settings.value_types import HOST_CHARACTERS, UsageError, ValueType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_URL = "https://chatgpt.com/backend-api/wham/usage"
TOKEN_URL_VARIABLE = "CODEX_REFRESH_TOKEN_URL_OVERRIDE"  # noqa: S105 - a name

_SCHEMES = ("http", "https")
_AMBIGUOUS = '\\"<>^`{|}'
_HIGHEST_PORT = 65535
_LONGEST_LABEL = 63
"""Characters between two dots of a host name (RFC 1035)."""
_LONGEST_SCHEME = 10


class Address:
    """A URL taken apart; the host in lower case, without brackets."""

    __slots__ = ("fragment", "host", "path", "port", "query", "scheme", "userinfo")

    def __init__(self, text: str) -> None:
        """Take ``text`` apart.

        Raises:
            ValueError: for what is no URL with a host, or could be read in two ways.
        """
        from urllib.parse import urlsplit

        parts = urlsplit(_unambiguous(text))
        self.scheme = parts.scheme.lower()
        self.userinfo, _, place = parts.netloc.rpartition("@")
        self.host, self.port = _host_and_port(place)
        if ":" not in self.host:  # an IPv6 address has no labels
            _check_labels(self.host)
        self.path = parts.path
        self.query = parts.query
        self.fragment = "#" in text

    @property
    def is_loopback(self) -> bool:
        """Whether the host is a literal address of this machine: 127.0.0.0/8 or ::1."""
        from ipaddress import IPv4Address, IPv6Address, ip_address

        try:
            ip = ip_address(self.host)
        except ValueError:
            return False
        return ip == IPv6Address("::1") or (isinstance(ip, IPv4Address) and ip.is_loopback)


def _unambiguous(text: str) -> str:
    plain = all("!" <= char <= "~" and char not in _AMBIGUOUS for char in text)
    if not plain:
        raise ValueError("not printable ASCII")
    return text


def _host_and_port(place: str) -> tuple[str, int | None]:
    host, colon, port = place.lower().partition(":")
    if place.startswith("["):
        host, _, rest = place[1:].lower().partition("]")
        _, colon, port = rest.partition(":")
        if rest and not rest.startswith(":"):
            raise ValueError("something between ] and the port")
        _check_six(host)
    elif not host or not HOST_CHARACTERS.issuperset(host):
        raise ValueError("no host")
    return host, _port(port) if colon else None


def _check_labels(host: str) -> None:
    """Raise ValueError for names that no resolver takes, such as ``a..b`` and ``xn--a``."""
    for label in host.removesuffix(".").split("."):
        if not 0 < len(label) <= _LONGEST_LABEL:
            raise ValueError("a label that is empty or too long")
        if label.startswith("xn--"):
            label.encode("ascii").decode("idna")


def _check_six(host: str) -> None:
    from ipaddress import IPv6Address

    if IPv6Address(host).scope_id is not None:
        raise ValueError("an address with a zone")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) <= _HIGHEST_PORT:
        raise ValueError("no port")
    return int(text)


def target_address(value: object) -> str | None:
    """Return the URL to ask, if it may be asked: https, or http on a loopback literal."""
    if not isinstance(value, str):
        return None
    try:
        address = Address(value)
    except ValueError:
        return None
    if address.userinfo or "@" in value.partition("//")[2].partition("/")[0]:
        raise UsageError("expected a URL without user and password in it")
    if address.fragment:
        raise UsageError("expected a URL without '#' in it")
    allowed = address.scheme == "https" or (address.scheme == "http" and address.is_loopback)
    return _in_lower_case(value) if allowed else None


def proxy_address(value: object) -> str:
    """Return the URL of a proxy, ``http://`` put before a bare ``host:port``.

    Raises:
        UsageError: for anything else. It shows no more of the value than its scheme, as
            the rest may be a password.
    """
    text = value if isinstance(value, str) else ""
    scheme, slashes, _ = text.partition("://")
    if not slashes:
        scheme, text = "", f"http://{text}"
    shown = scheme.lower() if scheme.isalnum() and len(scheme) <= _LONGEST_SCHEME else ""
    if shown.startswith("socks"):
        raise UsageError(
            f"{shown} proxies are not supported: give the http port of your proxy program "
            "(http://HOST:PORT), or put one that has one, such as privoxy, in front of it"
        )
    if not _is_proxy(text):
        came = f"a value with the scheme {shown}" if shown else "another value"
        raise UsageError(
            "expected the URL of a proxy, http://HOST:PORT or https://HOST:PORT without a path; "
            f"got {came}, not shown as it may hold a password"
        )
    return _in_lower_case(text.rstrip("/"))


def _is_proxy(url: str) -> bool:
    try:
        address = Address(url)
    except ValueError:
        return False
    is_bare = address.path in ("", "/") and not address.query and not address.fragment
    return is_bare and address.scheme in _SCHEMES


def _in_lower_case(url: str) -> str:
    """Return ``url`` with its scheme in lower case, as all that compare it expect."""
    scheme, slashes, rest = url.partition("://")
    return f"{scheme.lower()}{slashes}{rest}"


NO_NATS = "none"
"""In place of an address: this machine asks, whatever a file says."""


def nats_addresses(value: object) -> str:
    """Return the addresses of NATS servers, separated by commas; :data:`NO_NATS` as it is.

    Raises:
        UsageError: for anything else. It shows nothing of the value, as it may hold a password.
    """
    if value == NO_NATS:
        return NO_NATS
    addresses = value.split(",") if isinstance(value, str) else []
    if not addresses or not all(_is_nats(address.strip()) for address in addresses):
        raise UsageError(
            "expected nats://HOST[:PORT] or tls://HOST[:PORT], several with commas between, or "
            "none; got another value, not shown as it may hold a password"
        )
    return ",".join(address.strip() for address in addresses)


def _is_nats(address: str) -> bool:
    try:
        parts = Address(address)
    except ValueError:
        return False
    is_bare = parts.path in ("", "/") and not parts.query and not parts.fragment
    return is_bare and parts.scheme in ("nats", "tls")


NATS = ValueType("addresses of NATS servers", nats_addresses, metavar="URL")
TARGET = ValueType(
    "an https URL with a valid host (http only for 127.x.x.x and [::1], not for names)",
    target_address,
    metavar="URL",
)
PROXY = ValueType("the URL of a proxy", proxy_address, metavar="URL")


def proxy_for(url: str, *, environ: Mapping[str, str]) -> str | None:
    """Return the environment's proxy for ``url``, None where it is to be asked directly.

    As curl does it: ``https_proxy``, then ``all_proxy``, unless ``no_proxy`` names the
    host; lower case before upper case, an empty variable as none. Only https targets get
    one: over http, a proxy would see the token.

    Raises:
        UsageError: where the variable in force holds no proxy that is supported.
    """
    address = Address(url)
    if address.scheme != "https":
        return None
    name = _first_set(("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"), environ)
    if name is None or _is_excepted(address, environ):
        return None
    try:
        return proxy_address(environ[name].strip())
    except UsageError as error:
        raise UsageError(f"environment variable {name}: {error}") from None


def _first_set(names: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    return next((name for name in names if environ.get(name, "").strip()), None)


def _is_excepted(address: Address, environ: Mapping[str, str]) -> bool:
    name = _first_set(("no_proxy", "NO_PROXY"), environ)
    if name is None:
        return False
    entries = environ[name].lower().replace(",", " ").split()
    return any(_excepts(entry, address) for entry in entries)


def _excepts(entry: str, address: Address) -> bool:
    if entry == "*":
        return True
    try:
        host, port = _host_and_port(
            f"[{entry}]" if entry.count(":") > 1 > entry.count("[") else entry
        )
    except ValueError:
        return _is_below(address.host, entry)
    if port is not None and port != (address.port or 443):
        return False
    return _is_below(address.host, host)


def _is_below(host: str, domain: str) -> bool:
    domain = domain.removeprefix("*").strip(".")
    host = host.strip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def token_address(environ: Mapping[str, str]) -> str | None:
    """Return where the environment sends refresh tokens; None where it says nothing.

    Raises:
        UsageError: for anywhere but https on openai.com's hosts, and loopback literals.
    """
    url = environ.get(TOKEN_URL_VARIABLE, "").strip()
    if not url:
        return None
    try:
        accepted = target_address(url)
    except UsageError:
        accepted = None
    if accepted is not None:
        address = Address(accepted)
        if address.is_loopback or (_is_below(address.host, "openai.com") and not address.port):
            return accepted
    from poller.settings.quoting import quoted

    raise UsageError(
        f"environment variable {TOKEN_URL_VARIABLE}: refresh tokens go to https addresses of "
        f"openai.com, or to 127.x.x.x and [::1], and nowhere else; got {quoted(url)}"
    )


def listening_address(text: str) -> tuple[str, int]:
    """Return the address and the port of an accepted ``--listen``."""
    host, port = _host_and_port(text.removesuffix(":0"))
    return host, port or 0


def _listen(value: object) -> object:
    """Return ``value`` if it is a literal address, or localhost, with a port; 0 is any port."""
    if not isinstance(value, str):
        return None
    from ipaddress import ip_address

    free = value.endswith(":0")
    try:
        host, port = _host_and_port(value.removesuffix(":0") if free else value)
        if host != "localhost":
            ip_address(host)
    except ValueError:
        return None
    return value if free or port else None


LISTEN = ValueType(
    "an address with a port, such as '127.0.0.1:8765' or '[::]:8765'", _listen, metavar="ADDRESS"
)
