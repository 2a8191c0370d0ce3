"""Load from Locust on a balancer whose instances come and go, and what must hold meanwhile."""
