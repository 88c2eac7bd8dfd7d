import sys

from study.entry import main

sys.exit(main())
