"""pylb: a pure-Python HTTP load balancer with service discovery."""

__version__ = "0.1.0"
