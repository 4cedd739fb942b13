"""What the tests share: a server to talk to, and clients of several kinds that owe nothing to Sheetbend's own code."""
