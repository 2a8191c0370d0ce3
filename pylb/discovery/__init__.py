"""Where endpoints come from. Each provider is one `watch()` that yields whole snapshots."""
