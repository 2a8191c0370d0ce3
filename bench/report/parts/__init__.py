"""What each kind of measurement becomes on the page: one module for each, with a function `part`."""
