"""A made-up upstream that can also misbehave, for the demo, the tests and the benchmarks."""
