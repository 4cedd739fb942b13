"""Where rooms live. `base` states the contract, `memory` keeps it in one process."""
