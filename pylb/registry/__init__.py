"""Who writes into a registry, and the embedded registry for development."""
