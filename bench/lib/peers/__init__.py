"""The proxies that are compared, each in one file and a template, as its own documentation advises."""
