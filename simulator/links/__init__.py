"""Links under a seeded scheduler: two ends, two paths, and every fault that paths have."""
