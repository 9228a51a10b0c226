"""The process itself: its signals, standard streams and exit codes."""
