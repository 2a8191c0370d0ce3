"""Builds objects from options: pools, TLS contexts, admin access, registry sources."""
