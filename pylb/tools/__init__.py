"""Commands around the balancer: demo, doctor, simulator, terminal views, registrator, registry.

A tool may import any layer below it. No layer below imports a tool, and tools do not import each other.

Glossary:
    Demo: a registry, sample web services and pylb on one machine, with a screen.
    Doctor: checks Consul, Docker and pylb, and reports each fault with its remedy.
    Simulator: runs pools and policies on simulated instances.
    Terminal views: `pylb top`, `history` and `explain`, which read the admin API.
"""
