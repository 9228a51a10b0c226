"""What was seen, kept in SQLite: :mod:`store` records, :mod:`reading` reads."""
