"""What a running pylb knows, in a terminal: `pylb top`, `pylb history`, `pylb explain`."""
