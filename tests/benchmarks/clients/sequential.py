"""Ask for one account after another with a fresh ``requests.get`` each, as scripts do.

Usage: sequential.py URL FOLDER [CA_FILE]. Reads each auth file, prints a line of JSON
for each account.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import requests


def main(url: str, folder: str, ca_file: str | None = None) -> None:
    for path in sorted(Path(folder).glob("*.auth.json")):
        tokens = json.loads(path.read_text())["tokens"]
        response = requests.get(
            url,
            headers={
                "Authorization": f"Bearer {tokens['access_token']}",
                "ChatGPT-Account-Id": tokens["account_id"],
                "Accept": "application/json",
                "User-Agent": "Mozilla/5.0",
            },
            timeout=15,
            verify=ca_file or True,
        )
        response.raise_for_status()
        usage = response.json()
        line = {"account": path.name, "plan": usage["plan_type"], "limits": usage["rate_limit"]}
        sys.stdout.write(f"{json.dumps(line)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
