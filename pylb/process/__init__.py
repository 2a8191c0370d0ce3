"""Processes and their lives: who starts what, and in which order it ends."""
