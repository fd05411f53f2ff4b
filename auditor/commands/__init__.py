"""The commands, one file each: parse what was typed, call what does the work, write the result.

Importing a command's module imports no store and no library but Typer; the work is imported when it is done.
"""
