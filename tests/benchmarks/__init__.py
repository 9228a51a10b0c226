"""What the program costs beside what people would otherwise use: ``python -m tests.benchmarks``."""
