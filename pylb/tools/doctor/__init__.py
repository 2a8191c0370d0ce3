"""`pylb doctor`: checks Consul, Docker and pylb, and reports each fault with its cause and its cure.

Glossary:
    Facts: plain values that `gather` collects from Consul, Docker, pylb and the instances.
    Rule: a pure function from facts to findings.
    Finding: one fault with its cause and its cure.
"""
