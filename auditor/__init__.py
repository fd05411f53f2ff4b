"""The program: settings, stores, runs, the ledger and what people see."""
