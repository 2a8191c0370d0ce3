"""Who keeps the other processes: it starts them, replaces them, and ends them in the right order."""
