"""`python -m pylb` is the same as `pylb`."""

import sys

from pylb.cli import main

sys.exit(main())
