"""`python -m lrprop` is `lrprop`."""

import sys

from lrprop.cli import main

sys.exit(main())
