"""The operator's surface: the command line.

Imports every floor below; heavy ones only where a command needs them.
"""
