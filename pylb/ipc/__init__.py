"""Messages between processes: what they send each other, and over which connections."""
