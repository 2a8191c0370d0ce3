"""Python source as a tree."""

import ast
import gc


def tree(text):
    """Parse source, without a collection of garbage meanwhile.

    A collected task whose error nobody asked for has it logged: that formats a traceback, which parses a
    line, and Python 3.11 cannot do that in the middle of parsing (SystemError: AST constructor ...).
    """
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        gc.enable()
