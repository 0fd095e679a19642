"""What it costs, what it holds: `python -m benchmarks`."""
