"""Mutated answers and auth files through the program's pure parts: no exception, no surprise."""
