"""`python -m benchmarks.soak`."""

from .run import main

raise SystemExit(main())
