"""Values and decisions: no clock, no files, no sockets, no logging."""
