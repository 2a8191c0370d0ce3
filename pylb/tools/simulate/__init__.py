"""`pylb simulate`: a discrete-event simulation of balancers, workers and instances.

Pools, leases, policies and retry rules are pylb's own; only time, instances and connections are simulated.

Glossary:
    Arrival: the time at which a request arrives, and the time that an instance works on it.
    Workload: an arrival process and a distribution of service times, or a recording of both.
    Layout: numbers of balancers, workers and known instances.
    Outcome: the figures of one simulation.
"""
