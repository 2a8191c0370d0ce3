"""`make bench-report`: all measurements, one after the other, and docs/performance.md, made of them."""
