"""Many machines: agents ask for the accounts that lie on them, a collector decides what is asked.

Jobs and records cross a NATS server; no token, no auth file and no code does.
"""
