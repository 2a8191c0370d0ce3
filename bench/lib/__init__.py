"""What several commands of `bench` use: programs, origins, proxies, the load, statistics and output.

Nothing here is a command for users, and nothing here imports a sibling folder of `lib`.

Server: a running program that listens on a port of 127.0.0.1.
Program: a running pylb with its supervisor, control process and workers.
Fleet: the proxies of one run, before the same origin.
Source: where a program comes from: an apt package, a wheel, or a checkout.
Site: the ports and files that a proxy is configured with.
Cores: which CPU cores belong to the proxy and which to the load.
Timestamping origin: an origin that records the first and the last request to each of its ports.
Churn cycle: one registration of an instance and its deregistration.
Checking client: a client that records how each of its connections ended.
Client report: what all checking clients recorded.
"""
