"""How the program ends, and what of its output arrives."""
