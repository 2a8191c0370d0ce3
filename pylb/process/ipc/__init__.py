"""What the processes tell each other, and by which ways."""
