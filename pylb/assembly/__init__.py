"""Builds the objects of the other layers from options: pools, TLS contexts, admin access, providers.

Rules: only this package and the processes' entry points know both the options and the layers that they
configure. It contains no behaviour: each function maps options to constructor arguments.

Glossary:
    Pool: the backends of one service with its policy, limits and health rules (`pools`).
    Certificates: the TLS contexts of the listeners; `UpstreamTls`: those of connections to backends (`tls`).
    Access: the rules for changes of state through the admin API (`admin_access`).
    Provider: discovers the instances of a service: Consul, Docker or a static list (`sources`).
"""
