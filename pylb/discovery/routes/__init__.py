"""Sources of routes that are followed at run time.

- *Declarations*: everything that a source declares, as one value (`routes.declaration`).
- *Catalog*: the services of a registry; a service declares its routes through its instances.
"""
