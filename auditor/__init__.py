"""The program: settings, readers, runs, reports, command line."""
