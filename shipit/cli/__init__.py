"""The command line: one verb a file. A verb reads its words, calls delivery, shows the result."""
