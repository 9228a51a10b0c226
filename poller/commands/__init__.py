"""What each command does: it reads settings, wires the parts and returns an exit code."""
