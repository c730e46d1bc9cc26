"""One command a claim; each prints what it compared with and on which machine."""
