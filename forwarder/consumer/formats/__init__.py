"""How the records of each format are read: one module a format, with one function from a JSON object to its change, or None.

None is of an object that tells of no change, such as the beginning of a transaction.
"""
