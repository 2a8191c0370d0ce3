"""The recipe in one command: a registry, sample services, and pylb in front of them."""
