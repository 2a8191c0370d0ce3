"""Thin clients of other systems' APIs: one call, its JSON and its headers."""
