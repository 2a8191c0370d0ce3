"""What runs on a Docker engine, and what it says of itself: pure readings of the engine's JSON, no I/O.

The registrator makes registry entries from it, the Docker provider makes endpoints.
"""
