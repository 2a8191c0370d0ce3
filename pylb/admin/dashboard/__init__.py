"""The dashboard: one page, its style and its script, sent as they are."""
