"""The control process: discovery, probes, the admin endpoint; it sends whole snapshots to the workers."""
