"""What AWS DMS says of a task, as a settings file of forwarder. Pure.

* ``described`` in ``description``: the endpoints, the task and the table mappings, found in what ``aws dms describe-…`` prints
* ``settings_file`` in ``settings_file``: the file, with a comment for each setting, and a list of what has no counterpart
"""
