"""The options of every command: declaration, parsing, help and manual.

An option is declared once, as a field of a frozen dataclass. Its flag, environment variable, check, help text
and row in docs/config.md derive from that declaration. There is no configuration file.

Rules: a value that cannot be used ends the program with one line that names its source, the value and what
is expected. This package reads the command line, the environment and the files that they name; it opens no
connection, starts nothing and imports no other layer of pylb but `model` and `errors`.

Glossary:
    Option: one setting, with its flag (`--policy`), variable (`PYLB_POLICY`), kind, default and help text.
    Group: a dataclass of options that belong together, under one title in the help (`Timeouts`, `Limits`).
    Command: a group that inherits the groups whose options it accepts; that of `pylb serve` is `Options`.
    Kind: the type of an option's value: its parser, its placeholder in the help, and the expected form.
    Fallback: the environment variable of another program (`CONSUL_HTTP_ADDR`) that pylb accepts as well.
    Shared group: a group whose variables have the same names in all commands (`Consul`, `Docker`, `Logging`).
"""

from pylb.config.kinds import Address, Url
from pylb.config.options import Options

__all__ = ["Address", "Options", "Url"]
