"""Sheetbend under a seeded scheduler: the real server core and the real client logic, and every fault on schedule.

One seed is one run: who does what when, what breaks when, what every random choice is. The same seed gives the same
trace hash on any machine. Nothing here is asynchronous, and no clock but the simulated one is read.
"""
