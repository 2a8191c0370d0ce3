"""Thin clients of the APIs of Consul, Docker and a running pylb.

Rules: a method is one call (the inventory: one call for each container), and returns the decoded JSON with
the headers that qualify it. A client raises if the answer is missing or has another form; it never returns an
empty result instead. It does not interpret endpoints, retry, or decide which answers to believe.

Client: connections to one server, and the methods of its API.
Settings: address, credentials and TLS files of a server.
Answer: the decoded document of one call, with the headers that qualify it.
Index: Consul's version number of an answer; a blocking query waits for a greater one.
Agent: the Consul process to which pylb connects; it owns the services and checks registered with it.
Right: the permission of an ACL token to read a service or a node.
Engine: a Docker daemon.
Event: a change of a container or its networks, from the engine's stream.
Inventory: all containers of an engine at one moment, with those that could not be inspected.
Segment: one part of a URL's path, checked so that it cannot select another call.
"""
