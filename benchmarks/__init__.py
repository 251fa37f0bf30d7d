"""What is measured: `eager.py` by itself; the rest is one harness, which `scripts/bench` runs."""
