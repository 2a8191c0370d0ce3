"""Active probes: pylb sends requests to the instances itself, in one process on behalf of all workers.

Glossary:
    Probe: one request, one call of gRPC, or one TCP connection, to an instance (`client`, `grpc`).
    Result: the outcome of one probe (`result`).
    Verdict: whether an instance works, from several results in a row (`history`).
    Prober: probes all instances of all services (`prober`).
"""
