"""The supervisor: starts, reaps and replaces processes, and runs reload and upgrade."""
