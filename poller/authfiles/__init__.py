"""Find, read and understand auth files."""
