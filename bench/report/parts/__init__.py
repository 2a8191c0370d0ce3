"""The parts of the page: one module per kind of measurement, with a function `part`."""
