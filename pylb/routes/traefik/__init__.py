"""Translates Traefik's tags and labels (v3 syntax) to routes.

Glossary:
    Label: a tag `traefik.KEY=VALUE`; the case of the key does not matter.
    Router: a rule, and the service and middlewares of the requests that it matches.
    Rule: an expression of matchers, such as ``Host(`a.example`) && PathPrefix(`/api`)``.
    Clause: matchers of a rule that must all be met; a rule is met if one of its clauses is.
    Middleware: a named change of requests or responses, or a condition.
"""
