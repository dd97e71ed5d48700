"""One script a claim, on a shared harness; see benchmarks/README.md."""
