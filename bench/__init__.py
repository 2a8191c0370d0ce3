"""Measurements of pylb next to what people use now: the same work, on the same machine, in the same run."""
