"""Terminal views of a running pylb, read from its admin API: `pylb top`, `pylb history`, `pylb explain`."""
