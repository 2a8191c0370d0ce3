"""`python -m pylb.config` writes the text of docs/config.md to standard output."""

import sys

from pylb.config.manual import markdown

sys.stdout.write(markdown())
