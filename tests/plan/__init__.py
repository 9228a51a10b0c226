"""Judge the poll plan on made-up people: ``python -m tests.plan``."""
