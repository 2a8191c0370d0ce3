"""`python -m pylb.config` writes the text of docs/config.md to standard output; `make docs` runs it."""

import sys

from pylb.config.manual import markdown

sys.stdout.write(markdown())
