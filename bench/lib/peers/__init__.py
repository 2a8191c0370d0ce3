"""The proxies that are measured, each in a module and a configuration template.

Every proxy runs with one worker or thread, keeps connections to the backends, and writes no access log. It
is configured as its own documentation recommends. A template cites the page that it follows.

Peer: a proxy with a fixed list of backends.
Follower: a proxy that takes the instances of a service from Consul.
Tuned: a follower with the settings that its documentation recommends for failing backends.
"""
