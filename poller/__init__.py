"""See what is left in every Codex (ChatGPT) account you own."""

__version__ = "0.1.0"
