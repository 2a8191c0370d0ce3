"""`pylb plan`: which requests would go elsewhere with proposed routes, before they are applied.

Glossary:
    Recorded request: method, host, target and service of a request that was served, and how often.
    Present table: the routes of a running pylb. Proposed table: the same with the proposed changes.
    Replay: the comparison of both for each recorded request (`routes.replay`).
"""
