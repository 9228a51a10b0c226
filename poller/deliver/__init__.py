"""Where text goes: standard output, progress on a terminal."""
