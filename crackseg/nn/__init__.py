"""Networks and their training: the only package, beside `crackseg.runtimes.torch`, that imports torch."""
