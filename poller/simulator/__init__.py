"""A made-up upstream that can misbehave and live, for the demo, the tests and the benchmarks."""
