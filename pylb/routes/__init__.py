"""Routes: which requests a service receives, and what is changed on the way. No I/O and no clock.

Glossary:
    Route: a match, actions, and the service that receives the requests; declared, not compiled.
    Declaration: a service with its routes and settings, as one source of routes has it.
    Setting: an option of a service or of a route, by name.
    Match: host, path and further matchers; a request must meet all of them.
    Matcher: one condition besides host and path: methods, a header field, a query parameter, a scheme.
    Action: a change to the request or to the response, or a response of pylb.
    Place: the host and path of a match, as `shop.example.com/cart`.
    Blocked: of a route: it takes its requests, and pylb answers each with 503 and the reason.
    Fit: a route that fits the host and path of a request, with what its actions make of the path.
    Group: the routes with equal hosts and equal literal beginnings of paths.
    Share: the part of the requests of one match that a route receives, if several have the same match.
    Table: all routes, compiled; frozen, with a generation.
    Problem: one sentence about a declaration that is not served as it was written.
    Claim: that a service declares a route in the catalog; `--catalog-allow` bounds the claims.
"""
