"""Fetch every account with aiohttp and do nothing else, as people write it.

A task per account, a semaphore around each, the session as it comes; with ``--free``
the options that cost nothing: no cookie jar, no compression. What to send is read from
one file, a token and an account id a line.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

import aiohttp


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("requests", help="file with a token and an account id a line")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--free", action="store_true")
    args = parser.parse_args()
    with open(args.requests, encoding="ascii") as file:
        pairs = [line.split() for line in file]
    fetched = asyncio.run(fetch_all(args.url, pairs, args.concurrency, free=args.free))
    if fetched != len(pairs):
        sys.exit(f"{fetched} of {len(pairs)} answered")


async def fetch_all(url: str, pairs: list[list[str]], concurrency: int, *, free: bool) -> int:
    headers = {
        "Accept": "application/json",
        "Origin": "https://chatgpt.com",
        "Referer": "https://chatgpt.com/",
        "User-Agent": "Mozilla/5.0",
    }
    if free:
        headers["Accept-Encoding"] = "identity"
    semaphore = asyncio.Semaphore(concurrency)
    jar = aiohttp.DummyCookieJar() if free else None
    async with aiohttp.ClientSession(headers=headers, cookie_jar=jar) as session:
        statuses = await asyncio.gather(
            *(fetch(session, semaphore, url, token, account) for token, account in pairs)
        )
    return statuses.count(200)


async def fetch(
    session: aiohttp.ClientSession,
    semaphore: asyncio.Semaphore,
    url: str,
    token: str,
    account_id: str,
) -> int:
    headers = {"Authorization": f"Bearer {token}", "ChatGPT-Account-Id": account_id}
    async with semaphore, session.get(url, headers=headers) as response:
        await response.read()
        return response.status


if __name__ == "__main__":
    main()
