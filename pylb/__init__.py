"""pylb: a pure-Python HTTP load balancer that finds its backends by itself."""

__version__ = "0.1.0"
